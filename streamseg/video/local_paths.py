"""Local paths of sources: ``~`` and ``file://``, and what is in a folder."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.request import url2pathname

from streamseg.errors import SourceError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.+", re.DOTALL)
_FILE_URL = re.compile(r"file://(localhost)?/.*", re.DOTALL | re.IGNORECASE)


def is_url(text: str) -> bool:
    """Whether it is ``scheme://...`` and not a ``file://`` of this machine."""
    return bool(_URL.fullmatch(text)) and not _FILE_URL.fullmatch(text)


def local_path(text: str) -> Path:
    """The path of a source that is not a URL: ``~`` and ``file://`` are resolved.

    The ``~name`` of an unknown user is kept, and so is a ``%20`` that is part of the file's name.

    >>> str(local_path("file:///media/my%20clip.mp4"))
    '/media/my clip.mp4'
    """
    if _FILE_URL.fullmatch(text):
        literal = re.sub("^file://(localhost)?", "", text, flags=re.IGNORECASE)
        return Path(literal) if os.path.exists(literal) else Path(url2pathname(literal))
    path = Path(text)
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def entries(folder: Path) -> list[Path]:
    """What is in a folder, in any order.

    Raises:
        SourceError: it cannot be read.
    """
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise SourceError(f"cannot read {folder}: {error.strerror}") from error
