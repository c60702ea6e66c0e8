"""Read MCAP files, also those that were cut off before their index."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING

from streamseg.errors import MissingExtraError, SourceError
from streamseg.frame import NS_PER_SECOND
from streamseg.video.recordings.decoders import Decoder, Schema, decoder_of
from streamseg.video.recordings.recording import CutOffError, Message, Recording, Topic, kind_of

if TYPE_CHECKING:
    from mcap.reader import McapReader
    from mcap.records import Channel
    from mcap.records import Schema as McapSchema

# What the library raises on damaged bytes, besides its own errors.
_DAMAGED = (
    OSError,
    ValueError,
    LookupError,
    OverflowError,
    MemoryError,
    RuntimeError,
    struct.error,
)


class McapRecording(Recording):
    """One recording in one or several MCAP files, which follow each other.

    Files without an index are read from the start to where they are cut off.
    """

    def __init__(self, path: Path, files: Sequence[Path]) -> None:
        """Read what the files hold, by their index or, without one, by reading them once.

        Args:
            path: what the user named: the file, or the folder of the files.
            files: in the order of time, at least one.

        Raises:
            MissingExtraError: mcap is not installed.
            SourceError: a file cannot be opened, or is not MCAP.
        """
        self.path = path
        self._stack = ExitStack()
        try:
            parts = [self._stack.enter_context(_McapFile(file)) for file in files]
        except BaseException:
            self._stack.close()
            raise
        self._parts = parts
        kinds: dict[str, str] = {}
        counts: Counter[str] | None = Counter()
        for part in parts:
            kinds |= part.kind_of_topic
            counts = None if counts is None or part.counts is None else counts + part.counts
        self.topics = tuple(
            Topic(name, kinds[name], None if counts is None else counts[name])
            for name in sorted(kinds)
        )
        spans = [part.span_ns for part in parts if part.span_ns is not None]
        self.duration_seconds = None
        if spans:
            first, last = min(span[0] for span in spans), max(span[1] for span in spans)
            self.duration_seconds = (last - first) / NS_PER_SECOND
            in_order = all(a[1] < b[0] for a, b in pairwise(spans))
            if in_order and all(part.has_index for part in parts):
                self.span_ns = first, last

    def messages(
        self, topic: str, start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[Message]:
        """See ``Recording``; chunks that cannot be read are skipped where there is an index."""
        for part in self._parts:
            try:
                yield from part.messages(topic, start_ns or 0, stop_ns)
            finally:
                self.damaged_parts += part.damaged_chunks

    def close(self) -> None:
        """Close the files."""
        self._stack.close()


class _McapFile:
    """One MCAP file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.kind_of_topic: dict[str, str] = {}
        self.counts: Counter[str] | None = Counter()
        self.span_ns: tuple[int, int] | None = None
        self.damaged_chunks = 0
        self._chunk_starts_ns: list[int] = []
        try:
            from mcap.exceptions import McapError
            from zstandard import ZstdError
        except ImportError as error:
            raise MissingExtraError("mcap", "recordings") from error
        self._damaged = (McapError, ZstdError, *_DAMAGED)
        try:
            self._stream: IO[bytes] = path.open("rb")
        except OSError as error:
            raise SourceError(f"cannot read {path}: {error.strerror}") from error

    def __enter__(self) -> _McapFile:
        try:
            self._list_topics()
        except BaseException:
            self._stream.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def _list_topics(self) -> None:
        from mcap.exceptions import InvalidMagic
        from mcap.reader import SeekingReader

        try:
            reader = SeekingReader(self._stream)
        except (InvalidMagic, struct.error) as error:
            raise SourceError(f"{self._path} is not an MCAP file, or it is empty") from error
        except self._damaged as error:
            raise SourceError(f"{self._path} is empty or cut off: {error}") from error
        try:
            summary = reader.get_summary()
        except self._damaged:
            summary = None
        if summary is not None:
            self._chunk_starts_ns = sorted(c.message_start_time for c in summary.chunk_indexes)
        if summary is None or not summary.channels:
            self._scan()
            return
        statistics = summary.statistics
        self.counts = None if statistics is None else Counter()
        for channel in summary.channels.values():
            schema = summary.schemas.get(channel.schema_id)
            self.kind_of_topic[channel.topic] = kind_of(schema.name if schema else "")
            if statistics is not None and self.counts is not None:
                self.counts[channel.topic] += statistics.channel_message_counts.get(channel.id, 0)
        if statistics is not None and statistics.message_count:
            self.span_ns = (statistics.message_start_time, statistics.message_end_time)

    def _scan(self) -> None:
        """Read the whole file, as far as it can be read, to count its messages."""
        assert self.counts is not None
        try:
            for schema, channel, message in self._reader().iter_messages(log_time_order=False):
                self.kind_of_topic[channel.topic] = kind_of(schema.name if schema else "")
                self.counts[channel.topic] += 1
                first, last = self.span_ns or (message.log_time, message.log_time)
                self.span_ns = min(first, message.log_time), max(last, message.log_time)
        except self._damaged:
            return

    def _reader(self) -> McapReader:
        from mcap.reader import NonSeekingReader, SeekingReader

        self._stream.seek(0)
        if self._chunk_starts_ns:
            return SeekingReader(self._stream, validate_crcs=True)
        return NonSeekingReader(self._stream)

    @property
    def has_index(self) -> bool:
        """Whether messages can be read from a log time on."""
        return bool(self._chunk_starts_ns)

    def messages(self, topic: str, start_ns: int, stop_ns: int | None) -> Iterator[Message]:
        """The messages of a topic; behind a damaged chunk it goes on with the next one."""
        decoders: dict[int, Decoder] = {}
        latest_ns = -1
        while True:
            try:
                for message in self._messages_from(start_ns, stop_ns, topic, decoders):
                    latest_ns = message.log_ns
                    yield message
                return
            except SourceError:
                raise
            except self._damaged as error:
                # a chunk is read before any message behind its start is returned
                unread_ns = max(start_ns, latest_ns + 1)
                unread = [start for start in self._chunk_starts_ns if start >= unread_ns]
                if len(unread) < 2:
                    reason = str(error) or "the file ends in the middle of a record"
                    raise CutOffError(f"the file is cut off or damaged: {reason}") from error
                start_ns = unread[1]  # the first one is damaged
                self.damaged_chunks += 1

    def _messages_from(
        self, start_ns: int, stop_ns: int | None, topic: str, decoders: dict[int, Decoder]
    ) -> Iterator[Message]:
        # without an index, sorting would read the whole file into memory
        found = self._reader().iter_messages(
            [topic],
            starting_at=start_ns,
            ending_before=stop_ns,
            log_time_order=bool(self._chunk_starts_ns),
        )
        for schema, channel, message in found:
            if channel.id not in decoders:
                decoders[channel.id] = _decoder(schema, channel)
            yield Message(message.log_time, message.data, decoders[channel.id])


def _decoder(schema: McapSchema | None, channel: Channel) -> Decoder:
    if schema is None:
        return decoder_of(channel.message_encoding, Schema("", "", b""))
    return decoder_of(channel.message_encoding, Schema(schema.name, schema.encoding, schema.data))
