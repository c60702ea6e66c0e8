"""JSON lines: one object for each frame, complete on disk as soon as it is written."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from streamseg import rle
from streamseg.claims import written_alone
from streamseg.formats.writer import ResultWriter, check_folder_of, readable, saving
from streamseg.results import FrameResult, Instance

VERSION = 1
"""Part of every line. It rises when a field changes its meaning or is removed."""

# Larger than any line, so that a line reaches the system in one piece.
_BUFFER_BYTES = 1 << 20


class JsonlWriter(ResultWriter):
    """Writes one line of JSON for each result; docs/formats.md says what is in it.

    Every line is flushed: a crash, a kill or Ctrl-C leaves a file of whole lines.
    """

    def __init__(self, path: str | Path) -> None:
        """Open the file now, so that a wrong path fails before any work is done.

        Args:
            path: file to create or overwrite; ``"-"`` is the standard output.

        Raises:
            SinkError: the file cannot be created.
        """
        self._name = "standard output" if path == "-" else str(path)
        self._claim = ExitStack()
        if path == "-":
            self._file = sys.stdout
            return
        check_folder_of(Path(path))
        with saving(self._name), ExitStack() as stack:
            stack.enter_context(written_alone(Path(path)))
            self._file = open(  # noqa: SIM115 - closed by close()
                path, "w", buffering=_BUFFER_BYTES, encoding="ascii", newline="\n"
            )
            self._claim = stack.pop_all()

    def write(self, result: FrameResult) -> None:
        """Append ``result`` as one line.

        Raises:
            SinkError: the line cannot be written, for example because the disk is full.
            BrokenPipeError: the reader of a pipe has closed it.
        """
        line = json.dumps(frame_object(result), separators=(",", ":"), allow_nan=False)
        with saving(self._name):
            self._file.write(line + "\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file; the standard output is left open.

        Raises:
            SinkError: a line that failed before fails again.
        """
        if self._file is not sys.stdout:
            with self._claim, saving(self._name):
                self._file.close()


def frame_object(result: FrameResult) -> dict[str, Any]:
    """All that is known of a frame, as docs/formats.md describes it, for ``json.dumps``."""
    height, width = result.label_map.shape
    masks = rle.encode(result.label_map, [instance.label for instance in result.instances])
    return {
        "version": VERSION,
        "index": result.index,
        "pts_seconds": round(result.pts_seconds, 6),
        "stamp_ns": result.stamp_ns,
        "width": width,
        "height": height,
        "dropped": result.dropped,
        "source": readable(result.source),
        "source_index": result.source_index,
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
        "confirmed": instance.is_confirmed,
        "class": instance.class_name,
        "class_id": instance.class_id,
        "score": round(float(instance.score), 4),
        "box": list(instance.box),
        "area_px": instance.area_px,
        "seed": [x, y],
        "tau": round(float(instance.tau), 4),
        "rle": mask,
    }
