"""Images as frames for an encoder, in the colours that players expect: BT.709, limited range."""

from __future__ import annotations

from av import VideoFrame
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from streamseg.frame import Image

_BT709 = 1


def to_frame(image: Image, pixel_format: str | None, reformatter: VideoReformatter) -> VideoFrame:
    """Convert an image.

    Args:
        image: RGB uint8 [H, W, 3].
        pixel_format: of the encoder, as ``yuv420p``; None keeps RGB.
        reformatter: keeps what was prepared for the size of earlier images.
    """
    return reformatter.reformat(
        VideoFrame.from_ndarray(image, format="rgb24"),
        format=pixel_format,
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
        interpolation=Interpolation.BILINEAR,
    )


def mark(context: VideoCodecContext) -> None:
    """Write into the video which colours its numbers mean."""
    context.colorspace = _BT709
    context.color_primaries = _BT709
    context.color_trc = _BT709
    context.color_range = ColorRange.MPEG
