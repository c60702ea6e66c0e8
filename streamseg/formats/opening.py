"""Open the writer of a format by the format's name."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Final, cast

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
NUMBERED: Final = frozenset({"coco", "youtube-vis", "voc"})
"""Formats whose files hold numbers of classes that a model with its own classes may choose."""
FORMATS = tuple(name for name in _WRITERS if name != "video")
"""The names of formats for data; docs/formats.md describes each."""
ALL_FORMATS: Final = (*FORMATS, "video")
"""The names of all formats, ``video`` included."""


def open_writer(
    format_name: str, path: str | Path, class_names: Sequence[str] = ()
) -> ResultWriter:
    """Create a file, or a folder of images, and the writer that fills it.

    Use it as a context manager: then the file is complete after an exception or Ctrl-C, too.

    Args:
        format_name: ``jsonl``, ``parquet``, ``coco``, ``youtube-vis``, ``mots``, ``mots-png``,
            ``kitti-step``, ``voc``, ``rerun``, ``mcap``, or ``video`` for an annotated video.
        path: a file; for ``mots-png``, ``kitti-step`` and ``voc`` a folder. For ``jsonl``, ``"-"``
            is the standard output. A video's name ends in .mp4, .mov or .mkv.
        class_names: of the model (``segmenter.config.class_names``). ``coco``, ``youtube-vis`` and
            ``voc`` number them if they are not the well-known ones; the other formats name classes
            or have their own.

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
    kind = getattr(import_module(f"streamseg.formats.{module}"), writer)
    arguments = (path, class_names) if format_name in NUMBERED else (path,)
    return cast(ResultWriter, kind(*arguments))
