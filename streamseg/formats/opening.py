"""Open the writer of a format by the format's name."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import cast

from streamseg.errors import ConfigError
from streamseg.formats.writer import ResultWriter

# Modules are imported when they are asked for: some need optional packages.
_WRITERS = {
    "jsonl": ("jsonl", "JsonlWriter"),
    "coco": ("coco", "CocoWriter"),
    "youtube-vis": ("youtube_vis", "YouTubeVisWriter"),
    "mots": ("mots", "MotsTextWriter"),
    "mots-png": ("mots", "MotsPngWriter"),
    "kitti-step": ("kitti_step", "KittiStepWriter"),
    "voc": ("voc", "VocWriter"),
    "parquet": ("parquet", "ParquetWriter"),
    "rerun": ("rerun", "RerunWriter"),
}
FORMATS = tuple(_WRITERS)
"""The names that ``open_writer`` knows; docs/formats.md describes each."""


def open_writer(format_name: str, path: str | Path) -> ResultWriter:
    """Create a file, or a folder of pictures, and the writer that fills it.

    Args:
        format_name: one of ``FORMATS``.
        path: a file; for ``mots-png``, ``kitti-step`` and ``voc`` a folder. For ``jsonl``, ``"-"``
            is the standard output.

    Raises:
        ConfigError: there is no such format.
        SinkError: the path cannot be written.
        MissingExtraError: the format needs a package that is not installed.
    """
    if format_name not in _WRITERS:
        raise ConfigError(f"unknown format {format_name!r}; there are {', '.join(FORMATS)}")
    module, writer = _WRITERS[format_name]
    return cast(ResultWriter, getattr(import_module(f"streamseg.formats.{module}"), writer)(path))
