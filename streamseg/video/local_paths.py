"""The file or folder of this machine that a source names, if it names one."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.+", re.DOTALL)
_FILE_URL = re.compile(r"file://(localhost)?/.*", re.DOTALL | re.IGNORECASE)


def is_url(text: str) -> bool:
    """Whether it is ``scheme://...``, but no ``file://`` of this machine."""
    return bool(_URL.fullmatch(text)) and not _FILE_URL.fullmatch(text)


def local_path(text: str) -> Path:
    """The path that a text names, if it is no URL: ``~`` and ``file://`` are resolved.

    A ``~name`` of nobody stays as it is, and so does a ``%20`` that the file's name really holds.

    >>> str(local_path("file:///media/my%20clip.mp4"))
    '/media/my clip.mp4'
    """
    if _FILE_URL.fullmatch(text):
        literal = Path(re.sub("^file://(localhost)?", "", text, flags=re.IGNORECASE))
        return literal if literal.exists() else Path(url2pathname(urlsplit(text).path))
    path = Path(text)
    try:
        return path.expanduser()
    except RuntimeError:
        return path
