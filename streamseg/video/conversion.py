"""Convert a decoded frame to an upright RGB array: scaling, colour conversion and rotation."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, cast

import av.error
import numpy as np
from av import VideoFrame
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

from streamseg.errors import InputError
from streamseg.frame import Image
from streamseg.video.ffmpeg_errors import reading

if TYPE_CHECKING:
    from av.buffer import Buffer

_COLORSPACE_UNSPECIFIED = 2  # AVCOL_SPC_UNSPECIFIED
_COLOUR_UNSPECIFIED = 2  # AVCOL_PRI_UNSPECIFIED, AVCOL_TRC_UNSPECIFIED
_HD_HEIGHT = 720
# the network's input, full size, a preview
_SIZES_IN_USE = 4


@dataclass(frozen=True)
class Orientation:
    """The rotation of a stored image to upright: transpose first, then mirror."""

    transposed: bool = False
    mirrored_x: bool = False
    mirrored_y: bool = False

    @classmethod
    def of(cls, decoded: VideoFrame) -> Orientation:
        """Read the display matrix of a frame; angles are rounded to 90 degrees."""
        # side_data and its frame refer to each other, so both stay in memory until the garbage
        # collector runs: read them from a tiny copy, without the image.
        tiny = _reformatted(VideoReformatter(), decoded, 2, 2, "gray8")
        matrix = cast("Buffer | None", tiny.side_data.get("DISPLAYMATRIX"))
        if matrix is None:
            return cls()
        # rows (a, b, u), (c, d, v), (x, y, w) in fixed point: x' = a x + c y, y' = b x + d y
        a, b, _, c, d = np.frombuffer(bytes(matrix), dtype=np.int32)[:5].tolist()
        if abs(b) > abs(a):
            return cls(transposed=True, mirrored_x=c < 0, mirrored_y=b < 0)
        return cls(mirrored_x=a < 0, mirrored_y=d < 0)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height after the rotation; the inverse is the same."""
        return (height, width) if self.transposed else (width, height)

    def upright(self, stored: Image) -> Image:
        """Return the upright view of a stored image, [H, W, 3] or [W, H, 3]."""
        turned = stored.swapaxes(0, 1) if self.transposed else stored
        step_x = -1 if self.mirrored_x else 1
        step_y = -1 if self.mirrored_y else 1
        return turned[::step_y, ::step_x]


class ImageConverter:
    """Converts the frames of one source, from any thread and also after the source is closed.

    The aspect of pixels is not applied: sizes are in stored pixels. High dynamic range is not
    tone-mapped.
    """

    def __init__(self, threads: int | None = None) -> None:
        """Start without scalers; ``threads`` convert an image, by default one for each core."""
        self._threads = threads
        self._reformatters: dict[tuple[int, int], VideoReformatter] = {}
        self._lock = Lock()

    def render(
        self, decoded: VideoFrame, orientation: Orientation, width: int, height: int
    ) -> Image:
        """Scale and convert in one pass, then turn upright.

        Args:
            decoded: the frame as the decoder gave it.
            orientation: rotation to upright.
            width: of the upright result, in pixels.
            height: of the upright result, in pixels.

        Returns:
            RGB uint8 [height, width, 3], C-contiguous; writing to it changes nothing else.

        Raises:
            InputError: the size is below one pixel.
            SourceError: the frame cannot be converted.
        """
        if width < 1 or height < 1:
            raise InputError(f"an image is at least 1x1 pixels, got {width}x{height}")
        stored_width, stored_height = orientation.size(width, height)
        with self._lock:
            reformatter = self._reformatter(stored_width, stored_height)
            rgb = _reformatted(
                reformatter, decoded, stored_width, stored_height, "rgb24", self._threads
            )
        array: Image = orientation.upright(rgb.to_ndarray())  # type: ignore[arg-type]
        # A frame that needs no conversion is returned itself: the decoder still uses its memory.
        return array.copy() if rgb is decoded else np.ascontiguousarray(array)

    def _reformatter(self, width: int, height: int) -> VideoReformatter:
        """One per size in use: changing the size of a reformatter restarts all its threads."""
        size = (width, height)
        if size not in self._reformatters and len(self._reformatters) == _SIZES_IN_USE:
            self._reformatters.clear()
        return self._reformatters.setdefault(size, VideoReformatter())


def _reformatted(
    reformatter: VideoReformatter,
    decoded: VideoFrame,
    width: int,
    height: int,
    pixel_format: str,
    threads: int | None = None,
) -> VideoFrame:
    """Scale and convert; colour tags of the frame that FFmpeg refuses are dropped."""

    def reformat() -> VideoFrame:
        # Bilinear is a triangle filter as wide as the step between samples, so it does not
        # alias when scaling down; it is closest to Pillow's filter, which image files use.
        return reformatter.reformat(
            decoded,
            width,
            height,
            pixel_format,
            src_colorspace=_source_colorspace(decoded),
            interpolation=Interpolation.BILINEAR,
            threads=threads,
        )

    try:
        return reformat()
    except av.error.FFmpegError:
        decoded.colorspace = _COLORSPACE_UNSPECIFIED
        decoded.color_primaries = decoded.color_trc = _COLOUR_UNSPECIFIED
    with reading("a frame"):
        return reformat()


def _source_colorspace(decoded: VideoFrame) -> Colorspace | None:
    """The YUV matrix to use; None lets swscale read the frame's own tag.

    Untagged video is BT.601 for swscale, whatever its size, but HD material is BT.709.
    """
    untagged = decoded.colorspace == _COLORSPACE_UNSPECIFIED and not decoded.format.is_rgb
    return Colorspace.ITU709 if untagged and decoded.height >= _HD_HEIGHT else None
