"""Which paths are recordings, and the topic that may follow the path."""

from __future__ import annotations

import os
from pathlib import Path

from streamseg.errors import InputError
from streamseg.video.local_paths import entries, is_url, local_path

_SUFFIXES = (".mcap", ".bag", ".bag.active", ".db3")
_SEPARATOR = "#"


def is_recording(path: Path) -> bool:
    """Whether it is an MCAP file, a ROS 1 bag, or the folder or file of a ROS 2 bag."""
    if os.path.isdir(path):
        return has_metadata(path) or bool(bag_files(path))
    return path.name.endswith(_SUFFIXES)


def has_metadata(folder: Path) -> bool:
    """Whether the recorder of a ROS 2 bag has completed it."""
    try:
        return b"rosbag2_bagfile_information" in (folder / "metadata.yaml").read_bytes()
    except OSError:
        return False


def bag_files(folder: Path) -> list[Path]:
    """The MCAP or SQLite files of a ROS 2 bag, in the order of time.

    They are numbered, and named after the folder unless it was renamed. If the recorder was killed,
    there is no ``metadata.yaml``, and only files named after the folder count.

    Raises:
        SourceError: the folder cannot be read.
    """
    found: dict[int, Path] = {}
    is_complete = has_metadata(folder)
    for path in entries(folder):
        stem, _, number = path.stem.rpartition("_")
        is_named_after = is_complete or stem == folder.name
        if path.suffix in (".mcap", ".db3") and is_named_after and number.isdecimal():
            found[int(number)] = path
    return [found[number] for number in sorted(found)]


def split_topic(source: str) -> tuple[Path, str | None] | None:
    """The recording and the topic that a source names; None if it is not a recording.

    A topic follows the path after a ``#``: ``drive.mcap#/camera/front``.
    """
    if is_url(source):
        return None
    path = local_path(source)
    # os.path: pathlib's exists raises for names that are too long, or folders that must not be read
    exists = os.path.exists(path)
    if exists or _SEPARATOR not in source:
        return (path, None) if exists and is_recording(path) else None
    name = source
    while _SEPARATOR in name:  # the path and the topic may hold it, too
        name = name.rpartition(_SEPARATOR)[0]
        path = local_path(name)
        if os.path.exists(path) and is_recording(path):
            return path, source[len(name) + 1 :]
    return None


def recording_of(source: str) -> str | None:
    """The path of the recording, if a source names one of its topics; else None."""
    found = split_topic(source)
    return None if found is None or found[1] is None else str(found[0].absolute())


def with_topics(sources: list[str], topics: list[str]) -> list[str]:
    """The sources with each recording replaced by the topics in it that are named.

    Args:
        sources: paths, URLs and others.
        topics: names; without any, the sources stay as they are.

    Raises:
        InputError: topics are named, and a source is not a recording or has a topic already.
    """
    if not topics:
        return sources
    named = []
    for source in sources:
        found = split_topic(source)
        if found is None:
            raise InputError(
                f"--topic is for MCAP files and ROS bags; {source} is not one, or does not exist"
            )
        if found[1] is not None:
            raise InputError(f"{source} names a topic already: leave --topic out")
        named += [f"{source}{_SEPARATOR}{topic}" for topic in dict.fromkeys(topics)]
    return named
