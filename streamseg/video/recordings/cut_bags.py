"""Read ROS 1 bags without their index, because the recorder was killed or the copy cut off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Generator, Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from rosbags.interfaces import Connection
from rosbags.rosbag1 import Reader, ReaderError
from rosbags.rosbag1.reader import Header, RecordType, read_bytes, read_uint32


class CutBag(Reader):
    """Reads the records one after another, until the file is cut off.

    The format: http://wiki.ros.org/Bags/Format/2.0
    """

    def __init__(self, path: Path) -> None:
        """Set the path; ``open`` reads the file once to count its messages."""
        super().__init__(path)
        self._connection_of_id: dict[int, Connection] = {}
        self._span_ns = (0, 0)

    def open(self) -> None:
        """Read the whole file, as far as it can be read.

        Raises:
            ReaderError: it is not a bag.
        """
        with ExitStack() as stack:
            self.bio = stack.enter_context(self.path.open("rb"))
            if self.bio.readline() != b"#ROSBAG V2.0\n":
                raise ReaderError("it is not a ROS 1 bag, or it is empty")
            self._start = self.bio.tell()
            counts: Counter[int] = Counter()
            times: list[int] = []
            try:
                for connection, log_ns, _ in self._walk():
                    counts[connection.id] += 1
                    times = [min(*times, log_ns), max(*times, log_ns)] if times else [log_ns] * 2
            except ReaderError:
                pass  # the end of what can be read
            self._span_ns = (times[0], times[1]) if times else (0, 0)
            self.connections = [
                connection._replace(msgcount=counts[id_])
                for id_, connection in self._connection_of_id.items()
            ]
            stack.pop_all()

    @property
    def duration(self) -> int:
        """From the first to the last message, in ns."""
        return self._span_ns[1] - self._span_ns[0]

    def messages(
        self,
        connections: Collection[Connection] = (),
        start: int | None = None,  # noqa: ARG002 - of the library
        stop: int | None = None,  # noqa: ARG002
    ) -> Generator[tuple[Connection, int, bytes], None, None]:
        """The messages of some connections, in the order of the file.

        Raises:
            ReaderError: the file is cut off here.
        """
        wanted = {connection.id for connection in connections}
        for connection, log_ns, data in self._walk():
            if connection.id in wanted:
                yield connection, log_ns, data

    def _walk(self) -> Iterator[tuple[Connection, int, bytes]]:
        assert self.bio is not None
        self.bio.seek(self._start)
        while self.bio.peek(1):  # type: ignore[attr-defined]
            yield from self._record(self.bio)
        raise ReaderError("the file ends without an index")

    def _record(self, stream: BinaryIO) -> Iterator[tuple[Connection, int, bytes]]:
        begin = stream.tell()
        header = Header.read(stream)
        kind = header.get_uint8("op")
        if kind == RecordType.CONNECTION:
            stream.seek(begin)
            outer, self.bio = self.bio, stream
            try:
                connection = self.read_connection()
            finally:
                self.bio = outer
            self._connection_of_id.setdefault(connection.id, connection)
            return
        if kind == RecordType.CHUNK:
            stream.seek(begin)
            outer, self.bio = self.bio, stream
            chunk = self.read_chunk()
            self.bio = outer
            end = chunk.datapos + chunk.datasize
            stream.seek(chunk.datapos)
            data = chunk.decompressor(read_bytes(stream, chunk.datasize))
            inner = BytesIO(data)
            while inner.tell() < len(data):
                yield from self._record(inner)
            stream.seek(end)
            return
        data = read_bytes(stream, read_uint32(stream))
        if kind == RecordType.MSGDATA:
            connection = self._connection_of_id[header.get_uint32("conn")]
            yield connection, header.get_time("time"), data
