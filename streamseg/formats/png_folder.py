"""A folder with one PNG for each frame, and the label map with the values of a format."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from streamseg.closing import Closing
from streamseg.errors import SinkError
from streamseg.files.atomic_write import atomic_write
from streamseg.files.claims import written_alone
from streamseg.formats.writer import check_parent, saving
from streamseg.results import FrameResult

Value = TypeVar("Value", bound=np.generic)


class PngFolder(Closing):
    """Writes PNG files atomically, with run-length compression, which is enough for label maps."""

    def __init__(self, folder: Path) -> None:
        """Create the folder.

        Args:
            folder: need not exist, but its parent must.

        Raises:
            SinkError: it cannot be created, another run is writing it, or it holds images that
                would be mixed with new ones.
        """
        check_parent(folder)
        if folder.exists() and not folder.is_dir():
            raise SinkError(f"cannot write {folder}: it is a file, and a folder is needed")
        with saving(folder), ExitStack() as stack:
            folder.mkdir(exist_ok=True)
            stack.enter_context(written_alone(folder))
            if any(folder.glob("*.png")):
                raise SinkError(
                    f"cannot write {folder}: it holds PNG files already, which would be mixed with "
                    "new ones; name another folder or empty it"
                )
            self._claim = stack.pop_all()
        self._folder = folder

    def save(self, name: str, image: Pillow.Image) -> None:
        """Write the image of one frame.

        Args:
            name: of the file, without suffix.
            image: its content.

        Raises:
            SinkError: it cannot be written.
        """
        path = self._folder / f"{name}.png"
        with saving(path), atomic_write(path) as partial:
            image.save(partial, format="PNG", compress_type=zlib.Z_RLE)

    def close(self) -> None:
        """Release the folder for other writers; closing again is a no-op."""
        self._claim.close()


def numbered(result: FrameResult) -> str:
    """The name of a frame's file, from its index: ``000000``, ``000001``, ..."""
    return f"{result.index:06d}"


def painted(
    result: FrameResult, value_of_label: Iterable[tuple[int, int]], outside: Value
) -> NDArray[Value]:
    """Replace the labels in a label map with other values.

    Args:
        result: of the frame.
        value_of_label: pairs of a label and its new value.
        outside: value for all other pixels; its dtype is that of the image.

    Returns:
        [H, W].
    """
    table = np.full(len(result.instances) + 1, outside, outside.dtype)
    for label, value in value_of_label:
        table[label] = value
    return table.take(result.label_map)
