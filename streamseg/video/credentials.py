"""Keep user names, passwords and tokens of addresses out of messages, errors and logs."""

from __future__ import annotations

import logging
import re
from base64 import b64encode
from collections.abc import Callable
from threading import Lock
from urllib.parse import quote, unquote

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)(.*)", re.DOTALL)
_AUTHORITY = re.compile(r"[^/?#]*")
_HOST_AND_PORT = re.compile(r"(\[[^\]]*\]|[^:]*)(:\d*)?")
_QUERY_SECRET = re.compile(
    r"([?&][^=&#]*(?:user|pass|pwd|token|key|secret|auth|sig|credential)[^=&#]*=)([^&#]*)",
    re.IGNORECASE,
)
_MASK = "***"
_FFMPEG_LOGGERS = "libav"


def masked(address: str) -> str:
    """Hide what stands before the host, and parameters whose name says that they are secret.

    >>> masked("rtsp://user:password@host:554/live?camera=2&token=abc")
    'rtsp://***@host:554/live?camera=2&token=***'

    A password that holds ``@`` or, against the rules, ``/`` is hidden whole.
    """
    found = _URL.fullmatch(address)
    if not found:
        return address
    scheme, rest = found.groups()
    secret = _user_info(rest)
    if secret is not None:
        rest = f"{_MASK}@{rest[len(secret) + 1 :]}"
    return scheme + _QUERY_SECRET.sub(rf"\g<1>{_MASK}", rest)


def keep_secret(address: str) -> None:
    """Mask the secrets of an address in FFmpeg's own messages, too.

    FFmpeg takes them from the address only, and writes addresses to its log, which PyAV hands on
    to Python's when the application asks for it (``av.logging.set_level``).
    """
    found = _URL.fullmatch(address)
    if not found:
        return
    for secret in (_user_info(found[2]), *(value for _, value in _QUERY_SECRET.findall(found[2]))):
        if secret:
            _secrets.add(secret)


def without_secrets(text: str) -> str:
    """Mask in a text all user names and passwords that were used so far."""
    return _secrets.masked(text)


def _user_info(rest: str) -> str | None:
    """What stands before the last ``@`` of the authority; ``rest`` is all after ``://``."""
    match = _AUTHORITY.match(rest)
    authority = match[0] if match else ""
    if "@" in authority:
        return authority.rpartition("@")[0]
    if "@" in rest and not _HOST_AND_PORT.fullmatch(authority):
        return rest.rpartition("@")[0]  # user:pass/word@host
    return None


class _Secrets:
    """What must not be read anywhere, and the hook that takes it out of FFmpeg's messages.

    A filter of the logging module sees only what its own logger is given, not what comes from
    the loggers below, of which FFmpeg has one for each protocol: only the factory of records
    sees them all.
    """

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._lock = Lock()
        self._make_record: Callable[..., logging.LogRecord] | None = None

    def add(self, user_info: str) -> None:
        with self._lock:
            password = user_info.partition(":")[2]
            for text in (user_info, unquote(user_info), password, unquote(password)):
                as_header = b64encode(text.encode()).decode()  # "Authorization: Basic ..."
                for spelling in (text, quote(text), as_header):
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
