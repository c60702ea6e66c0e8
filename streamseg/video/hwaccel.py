"""Decode on a device: the kinds that this build of FFmpeg supports, and those that work here."""

from __future__ import annotations

from collections.abc import Callable

import av.error
from av.codec import Codec, codecs_available
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.container import InputContainer
from av.video.stream import VideoStream

from streamseg.errors import SourceError
from streamseg.video.options import AUTO, CPU

# Decoders of common videos. A device that none of them supports is reported as unusable.
_DECODERS = ("h264", "hevc", "vp9", "av1", "vp8", "mpeg4", "mpeg2video", "mjpeg", "vc1")


def kinds_of_build() -> list[str]:
    """The kinds of devices that this build of FFmpeg supports, by FFmpeg's names."""
    return hwdevices_available()


def why_unusable(kind: str) -> str | None:
    """Open a device and release it again.

    Args:
        kind: one of ``kinds_of_build``.

    Returns:
        Why it cannot decode here; None if it can.
    """
    codecs = [Codec(name, "r") for name in _DECODERS if name in codecs_available]
    codec = next((codec for codec in codecs if kind in _formats(codec)), None)
    if codec is None:
        return "no decoder uses it"
    try:
        HWAccel(kind).create(codec)
    except av.error.FFmpegError as error:
        return f"no device opens ({error.strerror})"
    return None


def kinds_to_try(wanted: str) -> list[str]:
    """The kinds of devices to try for a source.

    Args:
        wanted: ``none``, ``auto`` or one of ``kinds_of_build``.

    Raises:
        SourceError: this build does not support that kind, or no such device opens.
    """
    if wanted == CPU:
        return []
    kinds = kinds_of_build()
    if wanted == AUTO:
        return [kind for kind in kinds if why_unusable(kind) is None]
    why = why_unusable(wanted) if wanted in kinds else "this build of FFmpeg does not have it"
    if why:
        raise SourceError(
            f"cannot decode on {wanted!r}: {why}; kinds that this build has: "
            f"{', '.join(kinds) or 'none'}; {CPU} is the CPU, {AUTO} uses what works"
        )
    return [wanted]


def open_decoding_on(
    kinds: list[str], open_container: Callable[[HWAccel | None], InputContainer]
) -> InputContainer:
    """Open a container on the first kind of device that supports its video codec.

    FFmpeg may still fall back to the CPU, which is known after the first frame: see
    ``kind_in_use``.

    Args:
        kinds: from ``kinds_to_try``.
        open_container: called with the ``hwaccel`` argument of ``av.open``, for one kind after the
            other until one fits.
    """
    for kind in kinds:
        container = open_container(HWAccel(kind, allow_software_fallback=True))
        contexts = [stream.codec_context for stream in container.streams.video]
        if any(context and kind in _formats(context.codec) for context in contexts):
            return container
        container.close()
    return open_container(None)


def kind_in_use(stream: VideoStream) -> str:
    """The kind of device that decoded the latest frame; ``none`` is the CPU.

    FFmpeg decodes images that the device does not support, such as 4:2:2, on the CPU.
    """
    context = stream.codec_context
    if context.is_hwaccel:
        for kind, pixel_format in _formats(context.codec).items():
            if pixel_format == context.pix_fmt:
                return kind
    return CPU


def _formats(codec: Codec) -> dict[str, str]:
    """The kinds of devices that a decoder supports, with the pixel formats of their frames."""
    return {
        config.device_type.name: config.format.name
        for config in codec.hardware_configs
        if config.is_supported and config.format
    }
