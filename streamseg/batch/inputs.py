"""Recordings, found by what the user names: files, folders, patterns, lists of these, and URLs."""

from __future__ import annotations

import glob
import hashlib
import logging
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final, TypeAlias

from streamseg.batch.files import Place, place_of, reaching, version_of
from streamseg.batch.lists import Named, read_named, with_line
from streamseg.errors import InputError, SourceError
from streamseg.video.image_files import IMAGE_SUFFIXES

logger = logging.getLogger(__name__)

VIDEO_SUFFIXES: Final = frozenset({
    ".264", ".265", ".3gp", ".asf", ".avi", ".bag", ".db3", ".dv", ".flv", ".h264", ".h265",
    ".hevc", ".m2ts", ".m4v", ".mcap", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf",
    ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m",
})  # fmt: skip
"""Files that are taken for recordings where a folder is searched, in lower case."""
_BAG_SUFFIXES = frozenset({".db3", ".mcap"})
_BAG_METADATA = "metadata.yaml"
_BAG_MARK = b"rosbag2_bagfile_information"
_LOOKED_UP_AT_ONCE = 16

Files: TypeAlias = Mapping[str, dict[str, Any]]
"""What a file system says of each file, by path."""


@dataclass(frozen=True)
class Recording:
    """One recording: a video, a ROS bag, or a folder of images."""

    place: Place
    size: int
    """In bytes."""
    version: str
    """Another one for another content, as far as the file system tells."""

    @property
    def source(self) -> str:
        """An absolute path, or a URL without login."""
        return self.place.shown

    @property
    def name(self) -> str:
        """Name of its results: that of the file, and a hash of the whole source.

        It depends on nothing else, so that it is the same in every run.
        """
        stem = re.sub(r"[^\w.-]+", "_", PurePosixPath(self.place.path).stem)[:80]
        return f"{stem}-{hashlib.sha256(os.fsencode(self.source)).hexdigest()[:10]}"


def find_recordings(
    sources: Iterable[str | os.PathLike[str]], *, without: Place | None = None
) -> list[Recording]:
    """Find all recordings, each once, in the order of the sources, and by name within a folder.

    - a file: itself; but a ``.txt`` is a list of sources, one per line, ``#`` begins a comment
    - a folder: the videos and drive recordings in it and below; a folder of images only, or that
      of a ROS 2 bag, is one recording
    - a pattern with ``*``, ``?``, ``[``, where ``**`` stands for folders: what matches
    - ``scheme://...``: these in what fsspec opens, as ``s3://bucket/2026-11/``

    Hidden files are passed over, and so are folders that cannot be listed, with a warning. Links to
    folders are followed where they are named or matched, but not where a folder is searched.

    Args:
        sources: as above.
        without: a folder that is not searched, as that of the results.

    Raises:
        InputError: something is not a source, a pattern matches a part of a recording, or nothing
            is found.
        SourceError: there is no such file, or a file system cannot be read.
        ConfigError: the package for a kind of URL is not installed.
    """
    given = list(sources)
    named = [one for source in given for one in read_named(source)]
    with ThreadPoolExecutor(_LOOKED_UP_AT_ONCE) as pool:
        found = {r.source: r for recordings in pool.map(_expand, named) for r in recordings}
    if without is not None:
        inside = without.shown.rstrip("/") + "/"
        found = {source: r for source, r in found.items() if not source.startswith(inside)}
    if not found:
        looked_in = [one.text for one in named] or [os.fspath(source) for source in given]
        raise InputError(f"no recordings in {', '.join(looked_in) or 'an empty list'}")
    return list(found.values())


def _expand(named: Named) -> list[Recording]:
    with with_line(named.line):
        place = place_of(named.text)
        with reaching(place.shown, SourceError):
            return _recordings_at(place)


def _recordings_at(place: Place) -> list[Recording]:
    fs, path = place.fs, place.path
    try:
        info = fs.info(path)
    except FileNotFoundError:
        if not glob.has_magic(path):
            raise SourceError(f"no such file or folder: {place.shown}") from None
        return list(_matches(place))
    if info["type"] == "directory":
        return list(_grouped(place, _files_in(place)))
    return [_of_file(place, path, info)]


def _matches(place: Place) -> Iterator[Recording]:
    """The recordings that a pattern matches, and those in the folders that it matches."""
    suffix = PurePosixPath(place.path).suffix.lower()
    root = re.split(r"[*?\[]", place.path, maxsplit=1)[0].rpartition("/")[0]
    if suffix in IMAGE_SUFFIXES:
        raise InputError(f"{place.shown} are images: name their folder, which is one recording")
    found = _not_hidden(place.fs.glob(place.path, detail=True), root)
    if place.is_local:
        found = {path: _local_info(place, path) for path in found}
    files = {path: info for path, info in found.items() if info["type"] != "directory"}
    searched: dict[str, dict[str, Any]] = {}
    if not place.path.endswith("**"):
        for path in found.keys() - files.keys():
            searched |= _files_in(place.at(path))
    if suffix and not glob.has_magic(suffix):
        yield from (_of_file(place, path, info) for path, info in sorted(files.items()))
        yield from _grouped(place, searched)
        return
    if place.path.rpartition("/")[2].strip("*"):
        _refuse_part(place, files, files | searched)
    yield from _grouped(place, files | searched)


def _refuse_part(place: Place, matched: Files, found: Files) -> None:
    """Refuse a pattern that matches some files of a folder which is one recording.

    Args:
        place: the pattern.
        matched: the files that it matches.
        found: these, and those in the folders that it matches.
    """
    folders = {path.rpartition("/")[0] for path in matched}
    for recording in _grouped(place, found):
        folder = recording.place
        if folder.path in folders and not _files_in(folder, below=False).keys() <= found.keys():
            raise InputError(
                f"{place.shown} matches some files of {folder.shown}: name this folder, which is "
                "one recording"
            )


def is_unchanged(recording: Recording) -> bool:
    """Whether a recording on this machine looks the same as when it was found."""
    place = recording.place
    info = _local_info(place, place.path)
    if info["type"] == "directory":
        files = _files_in(place, below=False)
        now = _of_folder(place, place.path, {PurePosixPath(p).name: files[p] for p in files})
    else:
        now = _of_file(place, place.path, info)
    return (now.size, now.version) == (recording.size, recording.version)


def _files_in(place: Place, *, below: bool = True) -> dict[str, dict[str, Any]]:
    """The files in a folder that are not hidden, and those in the folders below."""
    if not place.is_local:
        found: Files = place.fs.find(place.path, maxdepth=None if below else 1, detail=True)
        files = {path: info for path, info in found.items() if path.rstrip("/") != place.path}
        return _not_hidden(files, place.path)

    def warn(error: OSError) -> None:
        logger.warning("%s cannot be searched: %s", error.filename, error.strerror)

    paths: list[str] = []
    for folder, folders, names in os.walk(place.path, onerror=warn):
        folders[:] = [name for name in folders if below and not name.startswith(".")]
        paths += [os.path.join(folder, name) for name in names if not name.startswith(".")]
    return {path: _local_info(place, path) for path in paths}


def _local_info(place: Place, path: str) -> dict[str, Any]:
    """What is known of a file; of a link, what is known of the file that it leads to."""
    try:
        info: dict[str, Any] = place.fs.info(path)
    except FileNotFoundError:  # a link to nothing, or just deleted: it fails when it is opened
        return {"type": "other", "size": 0}
    return info


def _not_hidden(files: Files, root: str) -> dict[str, dict[str, Any]]:
    """Those whose path below a folder has no part that begins with a dot."""
    return {path: info for path, info in files.items() if "/." not in path[len(root) :]}


def _grouped(place: Place, files: Files) -> Iterator[Recording]:
    """Sort the files below a folder into recordings."""
    in_folder: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for path, info in sorted(files.items()):
        folder, _, name = path.rpartition("/")
        in_folder[folder][name] = info
    for folder, named in in_folder.items():
        suffixes = {name: PurePosixPath(name).suffix.lower() for name in named}
        videos = [name for name in named if suffixes[name] in VIDEO_SUFFIXES]
        if _BAG_SUFFIXES.intersection(suffixes.values()) and _is_bag(place, folder, named):
            yield _of_folder(place, folder, named)
        elif videos:
            yield from (_of_file(place, f"{folder}/{name}", named[name]) for name in videos)
        elif any(suffix in IMAGE_SUFFIXES for suffix in suffixes.values()):
            yield _of_folder(place, folder, named)


def _is_bag(place: Place, folder: str, names: Collection[str]) -> bool:
    """Whether a folder is a ROS 2 bag that its recorder has completed."""
    return _BAG_METADATA in names and _BAG_MARK in place.fs.cat_file(f"{folder}/{_BAG_METADATA}")


def _of_file(place: Place, path: str, info: dict[str, Any]) -> Recording:
    return Recording(place.at(path), int(info["size"] or 0), version_of(info))


def _of_folder(place: Place, folder: str, files: Files) -> Recording:
    parts = [(name, info["size"], version_of(info)) for name, info in sorted(files.items())]
    version = hashlib.sha256(repr(parts).encode()).hexdigest()
    return Recording(place.at(folder), sum(int(size or 0) for _, size, _ in parts), version)
