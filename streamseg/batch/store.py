"""The folder of results: a folder for each recording, which appears when it is complete.

``out/recording=NAME/`` holds the files of a recording and ``_recording.json``, its entry: what was
read, with which model and options. Together the entries are the manifest: what has one is done.
"""

from __future__ import annotations

import glob
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from streamseg.batch.entry import Entry
from streamseg.batch.files import Place, local_copy, place_of, reaching, temporary_folder
from streamseg.errors import ConfigError, SinkError
from streamseg.files.atomic_write import atomic_write
from streamseg.files.claims import written_alone

ENTRY: Final = "_recording.json"
SUMMARY: Final = "_summary.json"
PARTIAL: Final = "_partial"
"""Readers of Parquet data sets pass over names that begin with an underscore."""


class Store:
    """Reads and writes the folder of results; goes to the workers."""

    def __init__(self, out: str) -> None:
        """Name the folder; nothing is created.

        Args:
            out: path or URL.

        Raises:
            InputError: it is neither.
            ConfigError: the package for such URLs is not installed, or it looks like a pattern.
        """
        self.place = place_of(out)
        if glob.has_magic(self.place.path):  # fsspec would search for it
            raise ConfigError(
                f"the path of the results must not contain *, ? or [, got {self.place.shown}"
            )
        self._chunks = f"{self.place.path}/{PARTIAL}/chunks-{secrets.token_hex(8)}"

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Create the folder, and keep other runs away where it is on this machine.

        Raises:
            SinkError: it cannot be created, or another run is writing there.
        """
        with reaching(self.place.shown, SinkError), ExitStack() as stack:
            self.place.fs.makedirs(self.place.path, exist_ok=True)
            if self.place.is_local:
                stack.enter_context(written_alone(Path(self.place.path)))
                stack.callback(self._delete_partial)
                self._delete_partial()
            else:
                stack.callback(self._delete, self._chunks)
            claim = stack.pop_all()
        with claim:
            yield

    def entries(self, names: Iterable[str]) -> dict[str, Entry]:
        """The entries of those recordings that have one.

        Raises:
            SinkError: one is there, or may be there, and cannot be read.
        """
        name_of = {self._folder(name).path + f"/{ENTRY}": name for name in names}
        entries = {}
        with reaching(self.place.shown, SinkError):
            self.place.fs.invalidate_cache()
            found = self.place.fs.cat(list(name_of), on_error="return")
            for path, data in found.items():
                if isinstance(data, FileNotFoundError):
                    continue
                if isinstance(data, Exception):  # as missing, it would be segmented again
                    raise data
                if (entry := Entry.parse(data)) is not None:
                    entries[name_of[path]] = entry
        return entries

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A new folder to write the files of a recording to; what is left of it is deleted."""
        if not self.place.is_local:
            with temporary_folder() as folder:
                yield folder
            return
        folder = Path(self.place.path) / PARTIAL / secrets.token_hex(8)
        with reaching(str(folder), SinkError):
            folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish_chunk(self, staged: Path, name: str, number: int) -> None:
        """Publish the file of a chunk, which appears at once, for the worker that joins the chunks.

        Args:
            staged: the file, in a folder of ``staging``.
            name: of the recording.
            number: of the chunk.

        Raises:
            SinkError: it cannot be written.
        """
        path = f"{self._chunks}/{name}/{_chunk_file(number)}"
        with reaching(self.place.at(path).shown, SinkError):
            self.place.fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            if self.place.is_local:
                os.replace(staged, path)
            else:
                self.place.fs.put_file(str(staged), path)

    @contextmanager
    def chunks(self, name: str, count: int) -> Iterator[list[Path]]:
        """The files of all chunks of a recording, on this machine; deleted if all goes well.

        Raises:
            SinkError: one cannot be read.
        """
        folder = self.place.at(f"{self._chunks}/{name}")
        with local_copy(folder) as path:
            files = [path / _chunk_file(number) for number in range(count)]
            for file in files:
                if not file.is_file():
                    raise SinkError(f"{folder.shown}/{file.name} is gone: start the command again")
            yield files
        self._delete(folder.path)

    def publish(self, staged: Path, name: str, entry: Entry) -> None:
        """Publish the results of a recording, in place of older ones.

        On a disk the whole folder appears at once. In an object store each file does, and the
        entry, without which the recording is not done, comes last.

        Args:
            staged: from ``staging``.
            name: of the recording.
            entry: what they were made of.

        Raises:
            SinkError: they cannot be written.
        """
        folder = self._folder(name)
        with reaching(folder.shown, SinkError):
            if self.place.is_local:
                (staged / ENTRY).write_text(entry.json(), "utf-8")
                _replace_folder(staged, Path(folder.path))
                return
            fs, path = folder.fs, folder.path
            fs.invalidate_cache()
            if fs.exists(path):
                if fs.exists(f"{path}/{ENTRY}"):
                    fs.rm_file(f"{path}/{ENTRY}")
                fs.rm(path, recursive=True)
            files = sorted(file for file in staged.rglob("*") if file.is_file())
            targets = [f"{path}/{file.relative_to(staged).as_posix()}" for file in files]
            for parent in {target.rpartition("/")[0] for target in targets}:
                fs.makedirs(parent, exist_ok=True)
            fs.put([str(file) for file in files], targets)
            fs.pipe_file(f"{path}/{ENTRY}", entry.json().encode())

    def update(self, name: str, entry: Entry) -> None:
        """Replace the entry of results that stay.

        Raises:
            SinkError: it cannot be written.
        """
        self._write(f"{self._folder(name).path}/{ENTRY}", entry.json())

    def write_summary(self, text: str) -> None:
        """Write what became of a run.

        Raises:
            SinkError: it cannot be written.
        """
        self._write(f"{self.place.path}/{SUMMARY}", text)

    def _write(self, path: str, text: str) -> None:
        with reaching(self.place.at(path).shown, SinkError):
            if self.place.is_local:
                with atomic_write(Path(path)) as partial:
                    partial.write_text(text, "utf-8")
            else:
                self.place.fs.pipe_file(path, text.encode())

    def _folder(self, name: str) -> Place:
        return self.place.at(f"{self.place.path}/recording={name}")

    def _delete(self, folder: str) -> None:
        """Delete a folder of this run; what cannot be deleted stays."""
        with suppress(Exception):
            self.place.fs.invalidate_cache()
            if self.place.fs.exists(folder):
                self.place.fs.rm(folder, recursive=True)

    def _delete_partial(self) -> None:
        shutil.rmtree(Path(self.place.path) / PARTIAL, ignore_errors=True)


def _chunk_file(number: int) -> str:
    return f"{number:06}.parquet"


def _replace_folder(new: Path, place: Path) -> None:
    """Move a folder to its place; one that stands there moves away first."""
    if place.exists():
        old = new.with_name(f"{new.name}-old")
        os.replace(place, old)
        os.replace(new, place)
        shutil.rmtree(old, ignore_errors=True)
    else:
        os.replace(new, place)
