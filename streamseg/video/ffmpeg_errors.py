"""Turn errors of PyAV and the system into errors of streamseg.

FFmpeg's own log is silent unless the application asks for it with ``av.logging.set_level``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av.error

from streamseg.errors import SinkError, SourceError, StreamsegError
from streamseg.video.credentials import without_secrets

_HINTS: tuple[tuple[type[Exception], str], ...] = (
    (av.error.HTTPUnauthorizedError, "give user and password as scheme://user:password@host"),
    (av.error.HTTPForbiddenError, "the server refuses: check user name and password"),
    (
        av.error.HTTPNotFoundError,
        "the server does not know the address: check the URL's path",
    ),
    (av.error.ProtocolNotFoundError, "this build of FFmpeg does not support that protocol"),
    (av.error.DecoderNotFoundError, "this build of FFmpeg has no decoder for it"),
    (av.error.ConnectionRefusedError, "nothing listens there: check that the camera is on"),
    (av.error.ExitError, "no answer in time: check the address, or wait longer"),
    (av.error.TimeoutError, "no answer in time: check the address, or wait longer"),
    (PermissionError, "check its permissions; cameras need membership of the group 'video'"),
)


@contextmanager
def reading(description: str, path: Path | None = None) -> Iterator[None]:
    """Turn errors of PyAV while opening or reading into SourceError.

    Args:
        description: name for the message, instead of the address, which may hold a password.
        path: the local file, examined for the reason if its data are invalid.

    Raises:
        SourceError: chained to the error of PyAV or the system.
    """
    try:
        yield
    except StreamsegError:
        raise
    except (av.error.FFmpegError, OSError) as error:
        is_invalid = isinstance(error, av.error.InvalidDataError)
        reason = _why_invalid(path) if is_invalid else _reason(error)
        error.args = error.args[:2]  # the third is the address with its password
        raise SourceError(f"cannot read {description}: {reason}") from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn errors of PyAV while writing into SinkError.

    Raises:
        SinkError: chained to the error of PyAV or the system.
    """
    try:
        yield
    except (av.error.FFmpegError, OSError) as error:
        raise SinkError(f"cannot write {path}: {error.strerror}") from error


def _reason(error: av.error.FFmpegError | OSError) -> str:
    for kind, hint in _HINTS:
        if isinstance(error, kind):
            return f"{error.strerror}; {hint}"
    return without_secrets(error.strerror or str(error))


def _why_invalid(path: Path | None) -> str:
    if path is None:  # RTSP reports a timeout like this, too
        return "it sends no video, or no answer in time"
    if _is_mp4_without_index(path):
        return (
            "this mp4 has no index (moov), most likely because the recording or download was "
            "cut off before its end; copy it again, or rebuild the index with a repair tool"
        )
    return "it is damaged, or not a video that FFmpeg knows"


def _is_mp4_without_index(path: Path) -> bool:
    """Read the headers of the boxes of an mp4 or mov: each has a size and a name."""
    file_size = path.stat().st_size
    with path.open("rb") as file:
        names = []
        position = 0
        while len(header := file.read(16)) >= 8:
            size = int.from_bytes(header[:4], "big")
            names.append(header[4:8])
            if size == 1:  # the real size follows in 64 bits
                size = int.from_bytes(header[8:16], "big")
            if size < 8:  # 0 means up to the end of the file
                break
            position += size
            if position >= file_size:  # a wrong size may be behind the end of the file
                break
            file.seek(position)
    return names[:1] == [b"ftyp"] and b"moov" not in names
