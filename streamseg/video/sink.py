"""Write frames with their times as an H.264 video that is playable when cut off."""

from __future__ import annotations

import logging
import math
import os
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av import VideoFrame
from av.container import OutputContainer
from av.video.frame import PictureType
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from streamseg.closing import Closing
from streamseg.errors import InputError, SinkError
from streamseg.files.claims import written_alone
from streamseg.frame import Image
from streamseg.video import bt709
from streamseg.video.ffmpeg_errors import writing
from streamseg.video.sound import open_sound

logger = logging.getLogger(__name__)

# Fragments, each playable without later ones. The index is written with the first fragment, when
# the first timestamp is known: timestamps are kept, but none may be negative.
# ("hybrid_fragmented" would give a plain mp4, but FFmpeg before 8.1 loses images in it.)
_MP4_OPTIONS = {
    "movflags": "frag_keyframe+delay_moov+default_base_moof",
    "avoid_negative_ts": "make_non_negative",
    "flush_packets": "1",
    "max_interleave_delta": "500000",  # us that an image waits for sound that has ended
}
_MKV_OPTIONS = {
    "cluster_time_limit": "1000",  # ms
    "flush_packets": "1",
    "max_interleave_delta": "500000",
}
_OPTIONS_BY_SUFFIX = {".mp4": _MP4_OPTIONS, ".mov": _MP4_OPTIONS, ".mkv": _MKV_OPTIONS}

# The first one that this build of FFmpeg has is used. zerolatency: no frame waits in the encoder,
# where a kill would lose it.
_ENCODERS: tuple[tuple[str, dict[str, str]], ...] = (
    ("libx264", {"preset": "superfast", "tune": "zerolatency", "crf": "22", "forced-idr": "1"}),
    ("mpeg4", {"flags": "+qscale", "global_quality": str(4 * 118)}),  # 118 is FF_QP2LAMBDA
)

# A key frame starts a fragment, and a kill loses at most one fragment.
_KEY_FRAME_SECONDS = 1.0
_MPEG4_MAX_DENOMINATOR = 65535


class VideoSink(Closing):
    """Writes a video file; a context manager that completes the file at the end.

    The file is complete after ``close``, also after an exception or Ctrl-C. After a kill, all but
    the last second can be played.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        width: int,
        height: int,
        *,
        time_base: Fraction,
        rate: Fraction | None,
        pixel_aspect: Fraction = Fraction(1),
        zero_start: bool = False,
        sound_of: Path | None = None,
    ) -> None:
        """Create the file, or overwrite it.

        Args:
            path: its suffix chooses the format: .mp4, .mov, or .mkv (which keeps whole
                milliseconds only).
            width: of all images, in pixels.
            height: of all images, in pixels. Odd sizes are kept, in 4:4:4 colour, which fewer
                players support.
            time_base: unit of the timestamps in seconds, ideally that of the source.
            rate: nominal frames per second, for the duration of the last frame; None is 25.
            pixel_aspect: width by height of a pixel, for players.
            zero_start: shift all times so that the first image is at 0 s.
            sound_of: a file whose sound is copied, from time 0 of the output to the end of the last
                image. Sound that this container cannot hold is left out, with a line in the log.

        Raises:
            SinkError: unknown suffix, the file cannot be created, another run is writing it, or
                it is ``sound_of`` itself.
            InputError: width, height, time base or rate is not above 0.
        """
        self.path = Path(path)
        check_video_path(self.path)
        options = _OPTIONS_BY_SUFFIX[self.path.suffix.lower()]
        if sound_of and self.path.exists() and self.path.samefile(sound_of):
            raise SinkError(f"cannot write {self.path}: it is the source itself; name another")
        if rate is None:
            rate = Fraction(25)
        if min(width, height) < 1 or time_base <= 0 or rate <= 0:
            raise InputError(
                f"width, height, time base and rate must be above 0, got {width}x{height}, "
                f"{time_base} s and {rate} fps"
            )
        self.width, self.height = width, height
        self._pixel_aspect = pixel_aspect
        self._reformatter = VideoReformatter()
        self._zero_start = zero_start
        self._origin_pts = 0
        self._latest_pts: int | None = None
        self._latest_key_pts = 0
        with ExitStack() as stack:
            stack.enter_context(written_alone(self.path))
            self._sound = open_sound(sound_of) if sound_of else None
            self._open_with_sound(options, time_base, rate)
            self._claim = stack.pop_all()

    def _open_with_sound(
        self, options: dict[str, str], time_base: Fraction, rate: Fraction
    ) -> None:
        """Create the file, without sound if the container cannot hold it."""
        try:
            self._open(options, time_base, rate)
        except (SinkError, ValueError):
            if self._sound is None:
                raise
            logger.warning(
                "%s: the sound is left out: %s files cannot hold %s",
                self.path,
                self.path.suffix,
                self._sound.codec,
            )
            self._sound.close()
            self._sound = None
            self._open(options, time_base, rate)

    def _open(self, options: dict[str, str], time_base: Fraction, rate: Fraction) -> None:
        """Create the file and write its header."""
        with writing(self.path):
            container = av.open(str(self.path.absolute()), "w", container_options=options)
            try:
                self._stream = _add_stream(container, self.width, self.height, time_base, rate)
                self._stream.codec_context.sample_aspect_ratio = self._pixel_aspect
                self._time_base = self._stream.codec_context.time_base
                self._nominal_duration = max(1, round(1 / rate / self._time_base))
                if self._sound:
                    self._sound.add_to(container)
                container.start_encoding()  # creates the file
            except BaseException:
                container.close()
                raise
            self._container: OutputContainer | None = container

    def write(self, image: Image, pts_seconds: float) -> None:
        """Append an image.

        Args:
            image: RGB uint8 [height, width, 3].
            pts_seconds: presentation time, later than that of the image before; rounded to the
                time base.

        Raises:
            InputError: the image has another shape or dtype, or time does not rise.
            SinkError: the file cannot be written, or is closed already.
        """
        if self._container is None:
            raise SinkError(f"cannot write {self.path}: it is closed already")
        expected = (self.height, self.width, 3)
        if image.shape != expected or image.dtype != np.uint8:
            raise InputError(
                f"{self.path} takes uint8 images of shape {expected}, "
                f"got {image.dtype} {image.shape}"
            )
        frame = bt709.to_frame(image, self._stream.pix_fmt, self._reformatter)
        frame.time_base = self._time_base
        frame.pts = self._next_pts(pts_seconds)
        if self._latest_pts is None or self._is_key_due(frame.pts):
            frame.pict_type = PictureType.I
            self._latest_key_pts = frame.pts
        self._latest_pts = frame.pts
        self._write_sound(frame.pts)
        self._mux(self._container, frame)

    def close(self) -> None:
        """Complete the file; closing again is a no-op.

        Raises:
            SinkError: the rest cannot be written.
        """
        container, self._container = self._container, None
        if container is None:
            return
        try:
            if self._latest_pts is not None:
                self._write_sound(self._latest_pts + self._nominal_duration)
                self._mux(container, None)
        finally:
            if self._sound:
                self._sound.close()
            with self._claim, writing(self.path):
                container.close()

    def _next_pts(self, pts_seconds: float) -> int:
        if not math.isfinite(pts_seconds):
            raise InputError(f"pts_seconds must be finite, got {pts_seconds}")
        pts = round(pts_seconds / self._time_base)
        if self._latest_pts is None and self._zero_start:
            self._origin_pts = pts
            if self._sound:
                self._sound.start_at(float(pts * self._time_base))
        pts -= self._origin_pts
        if self._latest_pts is not None and pts <= self._latest_pts:
            latest_seconds = float((self._latest_pts + self._origin_pts) * self._time_base)
            raise InputError(
                f"time must rise from image to image: got {pts_seconds} s after "
                f"{latest_seconds} s, in steps of {self._time_base} s"
            )
        return pts

    def _is_key_due(self, pts: int) -> bool:
        return float((pts - self._latest_key_pts) * self._time_base) >= _KEY_FRAME_SECONDS

    def _write_sound(self, until_pts: int) -> None:
        if self._sound:
            with writing(self.path):
                self._sound.write_until(float(until_pts * self._time_base))

    def _mux(self, container: OutputContainer, frame: VideoFrame | None) -> None:
        with writing(self.path):
            for packet in self._stream.encode(frame):
                # Used of the last packet only: all other images last until the next one.
                packet.duration = self._nominal_duration
                container.mux(packet)


def check_video_path(path: Path) -> None:
    """Raise ``SinkError`` for an unknown suffix, or a folder that does not exist."""
    if path.suffix.lower() not in _OPTIONS_BY_SUFFIX:
        known = ", ".join(_OPTIONS_BY_SUFFIX)
        raise SinkError(f"cannot write {path}: the name must end in one of {known}")
    if not path.parent.is_dir():
        raise SinkError(f"cannot write {path}: there is no folder {path.parent}")


def _add_stream(
    container: OutputContainer, width: int, height: int, time_base: Fraction, rate: Fraction
) -> VideoStream:
    encoder, options = next(e for e in _ENCODERS if e[0] in av.codecs_available)
    if encoder == "mpeg4" and time_base.denominator > _MPEG4_MAX_DENOMINATOR:
        time_base = Fraction(1, 60000)
    stream = cast(VideoStream, container.add_stream(encoder, rate, options))
    stream.width, stream.height = width, height
    # 4:2:0 shares colour among 2x2 pixels, and H.264 cannot crop to an odd size.
    is_even = width % 2 == 0 and height % 2 == 0
    stream.pix_fmt = "yuv420p" if is_even or encoder == "mpeg4" else "yuv444p"
    stream.codec_context.time_base = stream.time_base = time_base
    bt709.mark(stream.codec_context)
    return stream
