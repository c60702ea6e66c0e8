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
    "mcap": ("mcap", "McapWriter"),
    "video": ("video", "VideoWriter"),
}
FORMATS = tuple(name for name in _WRITERS if name != "video")
"""The names of formats for data; docs/formats.md describes each."""


def open_writer(format_name: str, path: str | Path) -> ResultWriter:
    """Create a file, or a folder of images, and the writer that fills it.

    Use it as a context manager: then the file is complete after an exception or Ctrl-C, too.

    Args:
        format_name: ``jsonl``, ``parquet``, ``coco``, ``youtube-vis``, ``mots``, ``mots-png``,
            ``kitti-step``, ``voc``, ``rerun``, ``mcap``, or ``video`` for an annotated video.
        path: a file; for ``mots-png``, ``kitti-step`` and ``voc`` a folder. For ``jsonl``, ``"-"``
            is the standard output. A video's name ends in .mp4, .mov or .mkv.

    Returns:
        A writer; its ``write`` takes one result, and can be given as ``on_result``.

    Raises:
        ConfigError: there is no such format.
        SinkError: the path cannot be written.
        MissingExtraError: the format needs a package that is not installed.
    """
    if format_name not in _WRITERS:
        raise ConfigError(f"unknown format {format_name!r}; there are {', '.join(_WRITERS)}")
    module, writer = _WRITERS[format_name]
    return cast(ResultWriter, getattr(import_module(f"streamseg.formats.{module}"), writer)(path))
