"""Keep user names, passwords and tokens of addresses out of messages, errors and logs."""

from __future__ import annotations

import logging
import re
from base64 import b64encode
from collections.abc import Callable
from threading import Lock
from urllib.parse import quote, unquote

from streamseg.video.addresses import parts_of

_MASK = "***"
_SEVERAL_MASKS = re.compile(r"\*\*\*([&;]\*\*\*)+")
_AUTHORITY_END = re.compile("[/?#]")
_FFMPEG_LOGGERS = "libav"


def masked(address: str) -> str:
    """Replace all parts of an address that may hold secrets with ``***``.

    >>> masked("rtsp://user:password@host:554/live?camera=2&token=abc")
    'rtsp://***@host:554/live?camera=2&token=***'
    """
    shown = "".join(part.text if part.is_shown else _MASK for part in parts_of(address))
    return _SEVERAL_MASKS.sub(_MASK, shown)


def keep_secret(address: str) -> None:
    """Mask the secrets of an address also in FFmpeg's own messages.

    FFmpeg takes secrets only from the address, and writes addresses to its log. PyAV passes this
    log to Python's if the application asks for it (``av.logging.set_level``).
    """
    for part in parts_of(address):
        if not part.is_shown:
            _secrets.add(part.text)


def without_secrets(text: str) -> str:
    """Mask all user names and passwords of opened addresses in a text."""
    return _secrets.masked(text)


class _Secrets:
    """The known secrets, and the hook that masks them in FFmpeg's messages.

    A logging filter sees only the records of its own logger, not those of child loggers, and FFmpeg
    has one logger per protocol. Only the factory of log records sees them all.
    """

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._lock = Lock()
        self._make_record: Callable[..., logging.LogRecord] | None = None

    def add(self, secret: str) -> None:
        """Add a secret: the whole text, and the parts into which FFmpeg may split it."""
        with self._lock:
            login = secret.rpartition("@")[0] or secret
            user, _, password = login.partition(":")
            value = secret.rpartition("=")[2]
            path = _AUTHORITY_END.split(secret, 1)[-1]
            texts = (secret, login, user, password, value, path)
            for text in {*texts, *map(unquote, texts)}:
                # "Authorization: Basic ..."
                as_header = b64encode(text.encode(errors="surrogatepass")).decode()
                for spelling in (text, quote(text, errors="surrogatepass"), as_header):
                    if len(spelling) > 2 and spelling not in self._texts:
                        self._texts.append(spelling)
            self._texts.sort(key=len, reverse=True)
            if self._make_record is None:
                self._make_record = logging.getLogRecordFactory()
                logging.setLogRecordFactory(self._masked_record)

    def masked(self, text: str) -> str:
        for secret in self._texts:
            text = text.replace(secret, _MASK)
        return text

    def _masked_record(self, *args: object, **kwargs: object) -> logging.LogRecord:
        assert self._make_record is not None
        record = self._make_record(*args, **kwargs)
        if record.name.partition(".")[0] == _FFMPEG_LOGGERS:
            record.msg, record.args = self.masked(record.getMessage()), ()
        return record


_secrets = _Secrets()
