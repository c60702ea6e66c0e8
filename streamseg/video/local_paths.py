"""Local paths of sources: ``~`` and ``file://``."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.request import url2pathname

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
        return Path(literal) if Path(literal).exists() else Path(url2pathname(literal))
    path = Path(text)
    try:
        return path.expanduser()
    except RuntimeError:
        return path
