"""The tasks of workers, and what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from streamseg.batch.inputs import Recording
from streamseg.video.chunks import Chunk


@dataclass(frozen=True)
class Outcome:
    """What became of a recording, or of a chunk."""

    state: Literal["done", "unchanged", "split", "failed", "stopped"]
    """``unchanged``: only the date of the file was new, not its content. ``split``: nothing is
    segmented yet; it is to be done in chunks."""
    frames: int = 0
    error: str = ""
    seconds: float = 0.0
    """That it took."""
    chunks: tuple[Chunk, ...] = ()
    """Of a recording that is to be done in chunks."""
    sha256: str = ""
    """Of the content of such a recording."""
    not_split: str = ""
    """Why a long recording was not split."""


@dataclass(eq=False)
class Split:
    """A recording that is done in chunks."""

    chunks: tuple[Chunk, ...]
    sha256: str
    """Of the recording."""
    done: int = 0
    """Chunks that are done, and so for the next three."""
    frames: int = 0
    bytes: float = 0.0
    seconds: float = 0.0
    is_lost: bool = False
    """Whether a chunk was given up, and with it the recording."""

    @property
    def is_complete(self) -> bool:
        """Whether the chunks can be joined."""
        return self.done == len(self.chunks)


@dataclass(eq=False)
class Task:
    """Work of one worker, and how often it was tried: a recording, a chunk, or joining chunks."""

    recording: Recording
    split: Split | None = None
    """Of the recording; None before anything is known of it."""
    chunk: Chunk | None = None
    """None is the whole recording, whose chunks are joined where it was split."""
    tries: int = 0
    frames: int = 0
    """Done in this try."""
    expected: int = 0

    @property
    def bytes(self) -> float:
        """What it stands for in an estimate of the time left."""
        if self.split is None:
            return self.recording.size
        if self.chunk is None:
            return 0.0  # joining takes little time
        seconds = self.split.chunks[-1].stop_seconds
        share = (self.chunk.stop_seconds - self.chunk.start_seconds) / max(seconds, 1e-9)
        return self.recording.size * share

    @property
    def bytes_done(self) -> float:
        """The part of these that is done."""
        return self.bytes * min(self.frames / self.expected, 1.0) if self.expected else 0.0

    @property
    def is_joining(self) -> bool:
        """Whether all frames have been segmented before."""
        return self.split is not None and self.chunk is None

    def __str__(self) -> str:
        """The recording, and from when to when, or that its chunks are joined."""
        if self.split is None:
            return self.recording.source
        return f"{self.recording.source} ({self.chunk or 'joining chunks'})"
