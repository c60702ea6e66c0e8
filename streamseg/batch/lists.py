"""Lists of sources: text files that hold one source per line."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from streamseg.batch.files import local_copy, place_of
from streamseg.errors import ConfigError, InputError, SourceError
from streamseg.files.text import read_text
from streamseg.video.credentials import masked

LIST_SUFFIX: Final = ".txt"


class Named(NamedTuple):
    """A source, and where the user named it."""

    text: str
    """A path, pattern or URL."""
    line: str = ""
    """The list and the number of the line, for messages; empty for a source that is in no list."""


def read_named(source: str | os.PathLike[str]) -> list[Named]:
    """The sources in a list; ``#`` begins a comment. Any other source stands for itself.

    Raises:
        InputError: it is not a path or a URL.
        SourceError: the list cannot be read.
    """
    text = os.fspath(source) if isinstance(source, str | os.PathLike) else None
    if not isinstance(text, str) or not text:
        raise InputError(f"a recording is a path or a URL, got {source!r}")
    if not text.lower().endswith(LIST_SUFFIX) or glob.has_magic(text):
        return [Named(text)]
    with local_copy(place_of(text)) as path:
        lines = map(str.strip, read_text(path, SourceError).splitlines())
        return [
            Named(line, f"{masked(text)}, line {number}")
            for number, line in enumerate(lines, start=1)
            if line and not line.startswith("#")
        ]


@contextmanager
def with_line(line: str) -> Iterator[None]:
    """Put the line of a list before the message of an error; see ``Named.line``."""
    try:
        yield
    except (InputError, SourceError, ConfigError) as error:
        if not line:
            raise
        raise type(error)(f"{line}: {error}") from error
