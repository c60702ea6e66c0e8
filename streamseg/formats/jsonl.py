"""JSON lines: one object for each frame, complete on disk as soon as it is written."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from streamseg import rle
from streamseg.errors import SinkError
from streamseg.results import FrameResult, Instance

# Larger than any line, so that a line reaches the system in one piece.
_BUFFER_BYTES = 1 << 20


class JsonlWriter:
    """Writes one line of JSON for each result; a context manager.

    A line holds ``index``, ``pts_seconds``, ``width``, ``height``, ``dropped`` and ``instances``.
    An instance holds ``name``, ``track_id``, ``class``, ``class_id``, ``score`` (0..1), ``box``
    (x0, y0, x1, y1 in pixels, half open), ``area_px``, ``seed`` (x, y), ``tau`` and ``rle``, which
    ``pycocotools.mask.decode`` takes as it is.

    Every line is flushed, so that a crash or Ctrl-C leaves a file of whole lines.

    Args:
        path: file to create or overwrite; ``"-"`` is the standard output.

    Raises:
        SinkError: the file cannot be created.
    """

    def __init__(self, path: str | Path) -> None:
        """Open ``path`` at once, so that a wrong one is known before any work is done."""
        self._name = "standard output" if path == "-" else str(path)
        if path == "-":
            self._file = sys.stdout
            return
        folder = Path(path).parent
        if not folder.is_dir():
            raise SinkError(f"cannot write {self._name}: there is no folder {folder}; create it")
        try:
            self._file = open(  # noqa: SIM115 - closed by close()
                path, "w", buffering=_BUFFER_BYTES, encoding="ascii", newline="\n"
            )
        except OSError as error:
            raise self._failure(error) from error

    def write(self, result: FrameResult) -> None:
        """Append ``result`` as one line.

        Raises:
            SinkError: the line cannot be written, as when the disk is full.
            BrokenPipeError: the reader of a pipe has gone.
        """
        line = json.dumps(_frame(result), separators=(",", ":"), allow_nan=False)
        try:
            self._file.write(line + "\n")
            self._file.flush()
        except BrokenPipeError:
            raise  # `streamseg ... | head` is no failed output
        except OSError as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Close the file; the standard output is left open.

        Raises:
            SinkError: a line that failed before fails again.
        """
        if self._file is sys.stdout:
            return
        try:
            self._file.close()
        except OSError as error:
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> SinkError:
        return SinkError(f"cannot write {self._name}: {error.strerror}")

    def __enter__(self) -> JsonlWriter:
        """Return the writer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()


def _frame(result: FrameResult) -> dict[str, Any]:
    height, width = result.label_map.shape
    masks = rle.encode(result.label_map, [instance.label for instance in result.instances])
    return {
        "index": result.index,
        "pts_seconds": round(result.pts_seconds, 6),
        "width": width,
        "height": height,
        "dropped": result.dropped,
        "instances": [
            _instance(instance, mask)
            for instance, mask in zip(result.instances, masks, strict=True)
        ],
    }


def _instance(instance: Instance, mask: dict[str, Any]) -> dict[str, Any]:
    y, x = instance.seed_yx
    return {
        "name": instance.name,
        "track_id": instance.track_id,
        "class": instance.class_name,
        "class_id": instance.class_id,
        "score": round(float(instance.score), 4),
        "box": list(instance.box),
        "area_px": instance.area_px,
        "seed": [x, y],
        "tau": round(float(instance.tau), 4),
        "rle": mask,
    }
