"""PNG for maps of labels: as fast as zlib goes, where large areas have one value.

Written out here because Pillow tries five filters on every row, which takes most of its time and
gains nothing on such maps (PNG specification, third edition: https://www.w3.org/TR/png-3/).
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB, _PALETTE = 0, 2, 3
_FASTEST = 1


def encoded(
    picture: NDArray[np.uint8] | NDArray[np.uint16], palette: NDArray[np.uint8] | None = None
) -> bytes:
    """A picture as the bytes of a PNG file.

    Args:
        picture: uint8 [H, W, 3] for RGB; uint16 [H, W] for 16 bit grey; uint8 [H, W] for 8 bit
            grey, or for indices of a palette.
        palette: RGB uint8 [at most 256, 3], for indices.
    """
    height, width = picture.shape[:2]
    samples = np.ascontiguousarray(picture, picture.dtype.newbyteorder(">"))
    row_bytes = samples.nbytes // height
    rows = np.zeros((height, 1 + row_bytes), np.uint8)  # a row begins with its filter: 0, none
    rows[:, 1:] = samples.view(np.uint8).reshape(height, row_bytes)
    colour_type = _RGB if picture.ndim == 3 else _GREY if palette is None else _PALETTE
    header = struct.pack(">IIBBBBB", width, height, 8 * picture.itemsize, colour_type, 0, 0, 0)
    chunks = [(b"IHDR", header)]
    if palette is not None:
        chunks.append((b"PLTE", palette.tobytes()))
    chunks += [(b"IDAT", zlib.compress(rows.data, _FASTEST)), (b"IEND", b"")]
    return _SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(data, zlib.crc32(kind))
    return b"".join((struct.pack(">I", len(data)), kind, data, struct.pack(">I", checksum)))
