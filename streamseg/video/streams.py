"""Choose the video stream of a container, and read the aspect of its pixels."""

from __future__ import annotations

from fractions import Fraction

from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from streamseg.errors import SourceError

# The weight of the default flag against pixels, as in FFmpeg's own choice.
_DEFAULT_BONUS_PX = 5_000_000
# A larger aspect comes from a damaged header.
_MOST_ASPECT = 10


def choose_video_stream(
    container: InputContainer, description: str, number: int | None = None
) -> VideoStream:
    """Choose the video stream that FFmpeg would take, or the one with a number; discard the others.

    FFmpeg takes the stream that is flagged as the default, else the one with the most pixels. The
    cover image of a song is not a video stream.

    Args:
        container: just opened.
        description: name for messages.
        number: of the video stream, from 0.

    Raises:
        SourceError: there is no video stream, or none with that number.
    """
    videos = container.streams.video
    if videos and all(stream.disposition & Disposition.dependent for stream in videos):
        raise SourceError(
            f"{description} is made of {len(videos)} tiles, which FFmpeg does not assemble: "
            "pip install 'streamseg[heif]', or convert it"
        )
    moving = [stream for stream in videos if not stream.disposition & Disposition.attached_pic]
    if number is not None:
        if number >= len(videos):
            sizes = ", ".join("{} of {}x{}".format(n, *_size(s)) for n, s in enumerate(videos))
            raise SourceError(
                f"{description} has no video stream {number}; there are: {sizes or 'none'}"
            )
        chosen = videos[number]
    elif moving:
        chosen = max(moving, key=_preference)
    else:
        kinds = {stream.type for stream in container.streams if stream.type != "video"}
        held = sorted(kinds | ({"a cover image"} if videos else set()))
        raise SourceError(
            f"{description} has no video stream, it holds {', '.join(held) or 'nothing at all'}"
        )
    for stream in container.streams:
        if stream is not chosen:
            stream.discard = Discard.all
    return chosen


def pixel_aspect_of(stream: VideoStream) -> Fraction:
    """Width by height of a stored pixel; 1 if it is not stated, or not plausible."""
    aspect = stream.sample_aspect_ratio
    if not aspect or not 1 / _MOST_ASPECT <= aspect <= _MOST_ASPECT:
        return Fraction(1)
    return Fraction(aspect.numerator, aspect.denominator)


def _preference(stream: VideoStream) -> int:
    is_default = bool(stream.disposition & Disposition.default)
    width, height = _size(stream)
    return width * height + _DEFAULT_BONUS_PX * is_default


def _size(stream: VideoStream) -> tuple[int, int]:
    """Width and height; 0 if this build of FFmpeg has no decoder."""
    return getattr(stream, "width", 0), getattr(stream, "height", 0)
