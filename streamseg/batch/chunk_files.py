"""Write and read the instances of a chunk, before tracking, as a Parquet file.

The file has a row for each frame. Arrays are stored as their bytes, so that they are the same when
they are read; label maps are stored as runs of equal values, down the columns.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from streamseg.closing import Closing
from streamseg.formats.writer import saving
from streamseg.frame import Frame
from streamseg.results import Segments
from streamseg.rle import label_map_of, label_runs
from streamseg.video.chunks import Chunk

_FRAMES_PER_GROUP: Final = 64
_ARRAYS: Final[dict[str, np.dtype[Any]]] = {
    "class_id": np.dtype("<i8"),
    "score": np.dtype("<f4"),
    "box": np.dtype("<i8"),
    "area_px": np.dtype("<i8"),
    "seed_yx": np.dtype("<i8"),
    "tau": np.dtype("<f4"),
    "embedding": np.dtype("<f4"),
}
"""Fields of ``Segments`` other than the label map, with the dtype in the file.

Their first dimension is M, the number of instances.
"""
_LABEL: Final = np.dtype("<u2")
_LENGTH: Final = np.dtype("<u4")


class FrameKey(NamedTuple):
    """Identify a frame of a recording.

    The key is the same in a chunk as in the whole recording.
    """

    topic: str
    """Empty for a video."""
    time: float | int
    """Video: presentation time in seconds. Drive recording: log time in ns."""
    stamp_ns: int
    """0 for a video."""

    @classmethod
    def of(cls, frame: Frame) -> FrameKey:
        """Make the key of a frame."""
        if frame.recorded is None:
            return cls("", frame.pts_seconds, 0)
        return cls(frame.recorded.topic, frame.recorded.log_ns, frame.recorded.stamp_ns)


class ChunkWriter(Closing):
    """Write the instances of frames to a file."""

    def __init__(self, path: Path) -> None:
        """Create the file.

        Raises:
            SinkError: it cannot be created.
        """
        import pyarrow
        from pyarrow import parquet

        self._arrow, self._path = pyarrow, path
        kinds = {
            "topic": pyarrow.string(),
            "pts_seconds": pyarrow.float64(),
            "log_ns": pyarrow.int64(),
            "stamp_ns": pyarrow.int64(),
            "height": pyarrow.int32(),
            "width": pyarrow.int32(),
            "count": pyarrow.int32(),
            "embedding_dims": pyarrow.int32(),
        }
        kinds |= dict.fromkeys(("labels", "lengths", *_ARRAYS), pyarrow.binary())
        self._schema = pyarrow.schema(list(kinds.items()))
        self._rows: list[dict[str, Any]] = []
        with saving(path):
            self._file = parquet.ParquetWriter(path, self._schema, compression="zstd")

    def write(self, frame: Frame, segments: Segments) -> None:
        """Append one frame.

        Raises:
            SinkError: it cannot be written.
        """
        topic, time, stamp_ns = FrameKey.of(frame)
        height, width = segments.label_map.shape
        labels, lengths = label_runs(segments.label_map)
        arrays = {
            name: np.ascontiguousarray(getattr(segments, name), kind).tobytes()
            for name, kind in _ARRAYS.items()
        }
        self._rows.append(
            {
                "topic": topic,
                "pts_seconds": None if topic else time,
                "log_ns": time if topic else None,
                "stamp_ns": stamp_ns,
                "height": height,
                "width": width,
                "count": len(segments),
                "embedding_dims": segments.embedding.shape[1],
                "labels": labels.astype(_LABEL).tobytes(),
                "lengths": lengths.astype(_LENGTH).tobytes(),
                **arrays,
            }
        )
        if len(self._rows) == _FRAMES_PER_GROUP:
            self._flush()

    def close(self) -> None:
        """Complete the file; closing again is a no-op.

        Raises:
            SinkError: the rest cannot be written.
        """
        if self._file.is_open:
            with saving(self._path), self._file:
                self._flush()

    def _flush(self) -> None:
        rows, self._rows = self._rows, []
        if rows:
            with saving(self._path):
                self._file.write_table(self._arrow.Table.from_pylist(rows, self._schema))


def read_chunk(path: Path) -> Iterator[tuple[FrameKey, Segments]]:
    """Read the frames of a file of ``ChunkWriter``, with at most 64 frames in memory."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(_FRAMES_PER_GROUP):
            for row in batch.to_pylist():
                time = row["log_ns"] if row["topic"] else row["pts_seconds"]
                yield FrameKey(row["topic"], time, row["stamp_ns"]), _segments(row)


class ChunkReader:
    """Read the instances of all chunks, frame by frame, in the order of the recording."""

    def __init__(self, files: Sequence[Path], chunks: Sequence[Chunk]) -> None:
        """Open nothing yet.

        Args:
            files: of the chunks.
            chunks: of the recording.
        """
        self._to_read = deque(zip(files, chunks, strict=True))
        self._rows: Iterator[tuple[FrameKey, Segments]] = iter(())
        self._waiting: dict[str, deque[tuple[FrameKey, Segments]]] = defaultdict(deque)

    def take(self, frame: Frame) -> Segments | None:
        """Return the instances of a frame; None if no chunk has it.

        For each topic, ask for frames in the order of ``FrameKey.time``.
        """
        key = FrameKey.of(frame)
        waiting = self._waiting[key.topic]
        while True:
            while waiting and waiting[0][0].time < key.time:
                waiting.popleft()
            if waiting:
                return waiting.popleft()[1] if waiting[0][0] == key else None
            if not self._read_on(frame, key):
                return None

    def _read_on(self, frame: Frame, key: FrameKey) -> bool:
        """Read one more frame from the files; return False if the rest belongs to later chunks."""
        while (row := next(self._rows, None)) is None:
            if not self._to_read:
                return False
            file, chunk = self._to_read[0]
            if frame.recorded is not None and chunk.start is not None and chunk.start > key.time:
                return False
            self._to_read.popleft()
            self._rows = read_chunk(file)
        self._waiting[row[0].topic].append(row)
        return True


def _segments(row: dict[str, Any]) -> Segments:
    labels, lengths = np.frombuffer(row["labels"], _LABEL), np.frombuffer(row["lengths"], _LENGTH)
    label_map = label_map_of(labels, lengths, row["height"], row["width"])
    arrays = {name: np.frombuffer(row[name], kind) for name, kind in _ARRAYS.items()}
    for name, columns in {"box": 4, "seed_yx": 2, "embedding": row["embedding_dims"]}.items():
        arrays[name] = arrays[name].reshape(row["count"], columns)
    return Segments(label_map=label_map, **arrays)
