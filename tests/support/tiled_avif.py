"""An AVIF made of tiles, as phones write HEIC: a grid of images that are coded one by one."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path

import PIL.Image

from streamseg.frame import Image


def write_tiled_avif(path: Path, image: Image, columns: int) -> Path:
    """Write an image as tiles side by side.

    Args:
        path: of the file.
        image: RGB; its width is a multiple of the columns.
        columns: number of tiles.
    """
    height, width, _ = image.shape
    tile_width = width // columns
    tiles = [image[:, c * tile_width : (c + 1) * tile_width] for c in range(columns)]
    coded = [_coded(tile) for tile in tiles]
    grid = struct.pack(">BBBBHH", 0, 0, 0, columns - 1, width, height)
    items = [grid, *(data for data, _ in coded)]
    properties = [
        _full("ispe", struct.pack(">II", width, height)),
        _full("ispe", struct.pack(">II", tile_width, height)),
        coded[0][1],
        _full("pixi", bytes([3, 8, 8, 8])),
    ]
    of_item = [(1, 4), *[(2, 3 | 0x80, 4)] * columns]
    ipma = struct.pack(">I", len(items)) + b"".join(
        struct.pack(">HB", item, len(which)) + bytes(which) for item, which in enumerate(of_item, 1)
    )
    infe = b"".join(
        _full("infe", struct.pack(">HH", item, 0) + kind + b"\0", version=2)
        for item, kind in enumerate([b"grid", *[b"av01"] * columns], 1)
    )
    parts = struct.pack(">HH", 1, columns) + b"".join(
        struct.pack(">H", item) for item in range(2, columns + 2)
    )
    ftyp = _box("ftyp", b"avif" + bytes(4) + b"avifmif1miaf")
    hdlr = _full("hdlr", bytes(4) + b"pict" + bytes(13))

    def meta(first_at: int) -> bytes:
        iloc, at = b"", first_at
        for item, data in enumerate(items, 1):
            iloc += struct.pack(">HHHII", item, 0, 1, at, len(data))
            at += len(data)
        return _full(
            "meta",
            hdlr
            + _full("pitm", struct.pack(">H", 1))
            + _full("iloc", struct.pack(">BBH", 0x44, 0, len(items)) + iloc)
            + _full("iinf", struct.pack(">H", len(items)) + infe)
            + _full("iref", _box("dimg", parts))
            + _box("iprp", _box("ipco", b"".join(properties)) + _full("ipma", ipma)),
        )

    first_at = len(ftyp) + len(meta(0)) + 8
    path.write_bytes(ftyp + meta(first_at) + _box("mdat", b"".join(items)))
    return path


def _box(name: str, data: bytes) -> bytes:
    return struct.pack(">I", 8 + len(data)) + name.encode() + data


def _full(name: str, data: bytes, version: int = 0) -> bytes:
    return _box(name, bytes([version, 0, 0, 0]) + data)


def _coded(tile: Image) -> tuple[bytes, bytes]:
    """The coded image and the box that configures its decoder, out of a whole AVIF."""
    buffer = BytesIO()
    PIL.Image.fromarray(tile).save(buffer, "AVIF", quality=90)
    data = buffer.getvalue()
    at = data.index(b"av1C") - 4
    size = int.from_bytes(data[at : at + 4], "big")
    return data[data.index(b"mdat") + 4 :], data[at : at + size]
