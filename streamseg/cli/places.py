"""Check the paths that ``streamseg run`` writes to: none is a source, or used twice."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from streamseg.errors import ConfigError, SinkError
from streamseg.video.image_files import images_in, images_of
from streamseg.video.local_paths import is_url, local_path
from streamseg.video.recordings.paths import bag_files, recording_of, split_topic

STANDARD_OUTPUT = "-"
# The folders that a format fills with PNG files, relative to its path.
_FOLDERS = {
    "mots-png": ("",),
    "kitti-step": ("",),
    "voc": ("", "SegmentationObject", "SegmentationClass"),
}

# Formats that hold all cameras of a recording in one file.
_TOGETHER = frozenset({"mcap"})

Identity: TypeAlias = tuple[int, int] | str


class Places:
    """Paths for the results of each source; formats that hold several sources have one."""

    def __init__(self, sources: Sequence[str]) -> None:
        """Count the sources, and the recordings among them.

        Args:
            sources: as the user gave them.
        """
        names = [recording_of(source) or index for index, source in enumerate(sources)]
        order = {name: number for number, name in enumerate(dict.fromkeys(names))}
        self._recordings = [order[name] for name in names]

    def place(self, format_name: str, place: str, index: int) -> Path:
        """The path for the results of one source; numbered if there are several.

        >>> str(Places(["a", "b", "c"]).place("video", "out/cam.mp4", 1))
        'out/cam-1.mp4'

        Args:
            format_name: of the output.
            place: the path that the user gave.
            index: of the source.
        """
        numbers: Sequence[int] = range(len(self._recordings))
        if format_name in _TOGETHER:
            numbers = self._recordings
        path = Path(place)
        return path.with_stem(f"{path.stem}-{numbers[index]}") if max(numbers) else path

    def all(self, format_name: str, place: str) -> Iterator[Path]:
        """All files and folders that a format writes."""
        indices = range(len(self._recordings))
        for path in dict.fromkeys(self.place(format_name, place, index) for index in indices):
            for folder in _FOLDERS.get(format_name, ("",)):
                yield path / folder


def check_places(sources: Sequence[str], outputs: Sequence[tuple[str, str]]) -> None:
    """Refuse a run that would overwrite one of its sources or one of its outputs.

    Two paths are the same if they lead to the same file, through links or not.

    Args:
        sources: as the user gave them.
        outputs: names of formats, or ``video``, each with the path that the user gave.

    Raises:
        SinkError: an output is a source.
        ConfigError: two outputs have the same path, or several sources would write to stdout.
    """
    taken: dict[Identity, str] = {}
    folders: set[Identity] = set()
    places = Places(sources)
    read = {_identity(path): text for text in sources for path in _files_of(text)}
    for name, place in outputs:
        if place == STANDARD_OUTPUT and len(sources) > 1:
            raise ConfigError(
                "stdout takes the results of one source only: give a file instead of -"
            )
        for path in places.all(name, place):
            identity = place if place == STANDARD_OUTPUT else _identity(path)
            if identity in read:
                raise SinkError(
                    f"cannot write {path}: it is the source {read[identity]}; choose another path"
                )
            if identity in taken:
                raise ConfigError(f"two outputs have the same path: {taken[identity]} and {path}")
            taken[identity] = str(path)
            if name in _FOLDERS:
                folders.add(identity)
    for name, place in outputs:
        for path in places.all(name, place):
            if path.suffix.lower() == ".png" and _identity(path.parent) in folders:
                raise ConfigError(f"two outputs have the same path: {path.parent} and {path}")


def _files_of(source: str) -> Iterator[Path]:
    """The local files of a source: a file, or a folder or pattern and its images."""
    if is_url(source):
        return
    if recording := split_topic(source):
        path = recording[0]
        yield path
        if os.path.isdir(path):
            yield from bag_files(path)
        return
    path = local_path(source)
    yield path
    if os.path.isdir(path):
        yield from images_in(path)
    elif not os.path.exists(path):
        yield from images_of(str(path))


def _identity(path: Path) -> Identity:
    """Equal for all paths to one file; the resolved path if the file does not exist yet."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return os.path.realpath(path)
    return status.st_dev, status.st_ino
