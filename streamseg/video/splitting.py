"""Split a long recording into chunks that give the same frames when each is read on its own."""

from __future__ import annotations

import math
import operator
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from streamseg.errors import SourceError
from streamseg.frame import NS_PER_SECOND
from streamseg.video.chunks import Chunk
from streamseg.video.image_files import IMAGE_SUFFIXES, images_in
from streamseg.video.images import NOMINAL_RATE
from streamseg.video.options import SourceOptions
from streamseg.video.recordings.camera_messages import camera_message
from streamseg.video.recordings.paths import is_recording

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

    from streamseg.video.recordings.recording import Recording, Topic


class CannotSplitError(SourceError):
    """The recording can only be read from its beginning to its end."""


def split(
    path: Path, seconds: float, options: SourceOptions, topics: Sequence[str] = ()
) -> tuple[Chunk, ...]:
    """Split a video at key frames, or a drive recording at log times.

    Read with ``SourceOptions.chunk``, the chunks together have the frames of the recording, with
    the same times and pixels. A video is read once, without decoding it, to find its key frames; of
    a drive recording only the index is read.

    Args:
        path: a video file, an MCAP file or a ROS bag.
        seconds: least length of a chunk.
        options: how it will be opened.
        topics: the camera topics of a drive recording; empty is the only one.

    Returns:
        Chunks in the order of time; a single one for a short recording.

    Raises:
        CannotSplitError: it has to be read in one go; the message says why.
        SourceError: it cannot be opened or read.
        MissingExtraError: a package is not installed.
    """
    if is_recording(path):
        from streamseg.video.recordings.source import open_recording

        with open_recording(path) as recording:
            return _split_recording(recording, seconds, topics)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return (_whole(0.0),)
    if path.is_dir():
        image_seconds = float(len(images_in(path)) / NOMINAL_RATE)
        if image_seconds > seconds:
            raise CannotSplitError("folders of images are not split")
        return (_whole(image_seconds),)
    return _split_video(path, seconds, options)


def _whole(seconds: float) -> Chunk:
    return Chunk(0, None, None, None, 0.0, seconds)


class _Packets(NamedTuple):
    """What the packets of a video state."""

    times: array[int]
    """Times of all frames, ascending, in units of the time base."""
    keys: array[int]
    """Times of the key frames, ascending."""


def _split_video(path: Path, seconds: float, options: SourceOptions) -> tuple[Chunk, ...]:
    import av

    from streamseg.video.ffmpeg_errors import reading
    from streamseg.video.streams import choose_video_stream

    description = str(path)
    with (
        reading(description, path),
        av.open(str(path.absolute()), metadata_errors="replace") as container,
    ):
        stated_seconds = (container.duration or 0) / av.time_base
        if 0 < stated_seconds <= seconds:
            return (_whole(stated_seconds),)
        stream = choose_video_stream(container, description, options.stream)
        packets = _read_packets(container, stream)
        return _cut(packets, seconds, float(stream.time_base or 0))


def _read_packets(container: InputContainer, stream: VideoStream) -> _Packets:
    times, keys = array("q"), array("q")
    latest = -math.inf
    for packet in container.demux(stream):
        if not packet.size or packet.is_discard:
            continue
        if packet.pts is None:
            raise CannotSplitError("it has no timestamps")
        if packet.is_keyframe:
            # a frame that follows a key frame may be shown before it, but none the other way round
            if packet.pts <= latest:
                raise CannotSplitError("its timestamps jump back")
            keys.append(packet.pts)
        latest = max(latest, packet.pts)
        times.append(packet.pts)
    times = array("q", sorted(times))
    if not times or any(map(operator.eq, times, islice(times, 1, None))):
        raise CannotSplitError("it has no timestamps, or repeats them")
    return _Packets(times, keys)


def _cut(packets: _Packets, seconds: float, time_base: float) -> tuple[Chunk, ...]:
    times, keys = packets
    step = seconds / time_base
    cuts: list[int] = []  # positions in ``keys``
    for position in range(1, len(keys)):
        begin = keys[cuts[-1]] if cuts else times[0]
        if begin + step <= keys[position] <= times[-1] - step:
            cuts.append(position)
    if not cuts and times[-1] - times[0] > 2 * step:
        raise CannotSplitError("it has no key frames to split at")
    chunks = []
    for number in range(len(cuts) + 1):
        start = keys[cuts[number - 1]] if number else None
        stop = keys[cuts[number]] if number < len(cuts) else None
        first = 0 if start is None else bisect_left(times, start)
        behind = len(times) if stop is None else bisect_left(times, stop)
        # from one key frame earlier: some encoders refer to frames before a key frame
        earlier = cuts[number - 1] - 1 if number else 0
        chunks.append(
            Chunk(
                number,
                start,
                stop,
                keys[earlier] if earlier else None,
                (times[first] - times[0]) * time_base,
                ((times[-1] if stop is None else stop) - times[0]) * time_base,
                behind - first,
            )
        )
    return tuple(chunks)


def _split_recording(
    recording: Recording, seconds: float, topics: Sequence[str]
) -> tuple[Chunk, ...]:
    stated_seconds = recording.duration_seconds or 0.0
    if 0 < stated_seconds <= seconds:
        return (_whole(stated_seconds),)
    if recording.span_ns is None:
        raise CannotSplitError("it has no index")
    from streamseg.video.recordings.pixels import DEEP_ENCODINGS

    for topic in [recording.camera(name) for name in topics or (None,)]:
        if topic.kind == "foxglove.CompressedVideo":
            raise CannotSplitError(f"{topic.name} is compressed as video, not image by image")
        if _first_encoding(recording, topic) in DEEP_ENCODINGS:
            # they are scaled by the values of all images before
            raise CannotSplitError(f"{topic.name} has images of 16 bits")
    first_ns, last_ns = recording.span_ns
    step_ns = max(1, round(seconds * NS_PER_SECOND))
    count = max(1, (last_ns - first_ns) // step_ns)
    starts_ns = [first_ns + number * step_ns for number in range(count)]
    return tuple(
        Chunk(
            number,
            start_ns if number else None,
            start_ns + step_ns if number < count - 1 else None,
            None,
            (start_ns - first_ns) / NS_PER_SECOND,
            ((start_ns + step_ns if number < count - 1 else last_ns) - first_ns) / NS_PER_SECOND,
        )
        for number, start_ns in enumerate(starts_ns)
    )


def _first_encoding(recording: Recording, topic: Topic) -> str:
    """How the first image that can be read is stored; empty where there is none."""
    for message in recording.messages(topic.name):
        try:
            return camera_message(topic.kind, message.decode(message.data)).encoding
        except (AttributeError, TypeError, ValueError):
            continue
    return ""
