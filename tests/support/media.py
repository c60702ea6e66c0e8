"""Small media files for tests, made with PyAV and Pillow."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av import AudioFrame, VideoFrame
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from streamseg.frame import Image

TIME_BASE = Fraction(1, 12800)
EVEN_TIMES = tuple(index / 25 for index in range(25))


def quadrants(width: int = 64, height: int = 48) -> Image:
    """Red and green above, blue and black below: every rotation and mirroring shows."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = 255, 0, 0
    image[: height // 2, width // 2 :] = 0, 255, 0
    image[height // 2 :, : width // 2] = 0, 0, 255
    return image


def corners(image: Image) -> str:
    """The colours of the quadrants, row by row: RGBK for upright ``quadrants``."""
    height, width, _ = image.shape
    names = ""
    for y in (height // 4, 3 * height // 4):
        for x in (width // 4, 3 * width // 4):
            pixel = image[y, x]
            names += "RGB"[int(pixel.argmax())] if pixel.max() > 128 else "K"
    return names


def noise(seed: int = 0, width: int = 64, height: int = 48) -> Image:
    """An image that no codec makes small, so that cutting a file hits image data."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def write_video(
    path: Path,
    times: Sequence[float] = EVEN_TIMES,
    *,
    images: Sequence[Image] | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    time_base: Fraction = TIME_BASE,
    rotation: tuple[float, bool, bool] | None = None,
    codec_options: dict[str, str] | None = None,
    **container_options: str,
) -> Path:
    """Write one image for each time in seconds; quadrants unless images are given.

    Args:
        path: its suffix chooses the container.
        times: rising, in seconds.
        images: shown in turn, all of one size, even in both directions.
        codec: name of the encoder.
        pix_fmt: as FFmpeg calls it.
        time_base: unit of the timestamps in seconds.
        rotation: degrees counter-clockwise, mirrored horizontally, mirrored vertically.
        codec_options: for the encoder.
        container_options: for the muxer.
    """
    images = images or [quadrants()]
    with av.open(str(path), "w", container_options=container_options) as container:
        stream = cast(VideoStream, container.add_stream(codec, rate=25))
        stream.height, stream.width, _ = images[0].shape
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = time_base
        stream.codec_context.options = codec_options or {}
        if codec == "mpeg4":
            stream.bit_rate = 1_000_000
        if rotation is not None:
            stream.set_display_rotation(*rotation)
        for index, seconds in enumerate(times):
            frame = VideoFrame.from_ndarray(images[index % len(images)], format="rgb24")
            frame.pts, frame.time_base = round(seconds / time_base), time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_sounding_video(
    path: Path,
    codec: str,
    *,
    sound_seconds: float = 2.0,
    burst_seconds: float = 1.0,
    video_codec: str = "libx264",
    rate: int = 48000,
    begin: float = 0.0,
) -> Path:
    """Two seconds of images, 25 a second, with sound: silence, then a tone from a known time.

    Args:
        path: its suffix chooses the container.
        codec: of the sound.
        sound_seconds: how long it lasts, in whole images; may be longer than the images do.
        burst_seconds: when the tone begins.
        video_codec: of the images.
        rate: of the sound, in Hz.
        begin: time of the first image and of the sound, in seconds.
    """
    with av.open(str(path), "w") as container:
        video = cast(VideoStream, container.add_stream(video_codec, rate=25))
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = cast(AudioStream, container.add_stream(codec, rate=rate, layout="mono"))
        if codec == "wmav2":
            sound.bit_rate = 64_000
        resampler = av.AudioResampler(
            sound.codec_context.format, "mono", rate, sound.codec_context.frame_size or 1024
        )
        seconds = np.arange(rate // 25) / rate
        for index in range(max(50, round(25 * sound_seconds))):
            if index < 50:
                frame = VideoFrame.from_ndarray(noise(index), format="rgb24")
                frame.pts, frame.time_base = index + round(25 * begin), Fraction(1, 25)
                container.mux(video.encode(frame))
            if index / 25 >= sound_seconds:
                continue
            now = seconds + index / 25
            tone = np.where(now >= burst_seconds, 12000 * np.sin(2 * np.pi * 1000 * now), 0)
            heard = AudioFrame.from_ndarray(tone.astype(np.int16)[None], "s16", "mono")
            heard.sample_rate, heard.pts = rate, index * len(seconds) + round(rate * begin)
            heard.time_base = Fraction(1, rate)
            for part in resampler.resample(heard):
                container.mux(sound.encode(part))
        for part in resampler.resample(None):
            container.mux(sound.encode(part))
        container.mux(sound.encode(None))
        container.mux(video.encode(None))
    return path


def write_audio(path: Path) -> Path:
    """A file with sound only."""
    with av.open(str(path), "w") as container:
        stream = cast(AudioStream, container.add_stream("aac", rate=8000))
        frame = AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 8000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def cut(path: Path, fraction: float) -> Path:
    """Keep only this part of the file."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * fraction)])
    return path


def scramble(path: Path, start: float, stop: float) -> Path:
    """Overwrite a part of the file, in fractions of its length, with random bytes."""
    data = bytearray(path.read_bytes())
    part = slice(int(len(data) * start), int(len(data) * stop))
    data[part] = np.random.default_rng(0).bytes(part.stop - part.start)
    path.write_bytes(data)
    return path


def read_video(path: Path) -> tuple[list[float], dict[str, Any]]:
    """Times in seconds and facts of a file, read with PyAV alone."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        times = [
            float(cast(int, f.pts) * cast(Fraction, f.time_base)) for f in container.decode(stream)
        ]
        duration = container.duration
        facts = {
            "size": (stream.width, stream.height),
            "codec": stream.codec_context.name,
            "pix_fmt": stream.pix_fmt,
            "duration_seconds": None if duration is None else duration / av.time_base,
        }
    return times, facts
