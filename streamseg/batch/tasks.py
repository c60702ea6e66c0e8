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
    """Duration of the task in seconds."""
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
    """Number of chunks that are done. The next three fields are sums over these chunks."""
    frames: int = 0
    bytes: float = 0.0
    seconds: float = 0.0
    """Working time of all workers, in seconds."""
    is_lost: bool = False
    """Whether a chunk was given up, and with it the recording."""

    @property
    def is_complete(self) -> bool:
        """Whether the chunks can be joined."""
        return self.done == len(self.chunks)


@dataclass(eq=False)
class Task:
    """Work for one worker: segment a recording, segment a chunk, or join chunks."""

    recording: Recording
    split: Split | None = None
    """Chunks of the recording; None if it is not split, or not yet."""
    chunk: Chunk | None = None
    """The chunk to segment. None: segment the whole recording, or join its chunks if ``split`` is
    set."""
    tries: int = 0
    frames: int = 0
    """Number of frames done in this try."""
    expected: int = 0
    """Expected number of frames; 0 if unknown."""

    @property
    def bytes(self) -> float:
        """Return the share of the recording's bytes that the task stands for; 0 for joining.

        It serves to estimate the time left.
        """
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
        """Return whether the task joins chunks."""
        return self.split is not None and self.chunk is None

    def __str__(self) -> str:
        """The recording, and from when to when, or that its chunks are joined."""
        if self.split is None:
            return self.recording.source
        return f"{self.recording.source} ({self.chunk or 'joining chunks'})"
