"""Files and playlists with several streams of images."""

from __future__ import annotations

from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import cast

import av
import numpy as np
import PIL.Image
import pytest
from av.stream import Disposition
from av.video.stream import VideoStream
from camera_servers import http_camera
from media import quadrants, write_audio, write_video

from streamseg.errors import ConfigError, SourceError
from streamseg.video.options import SourceOptions
from streamseg.video.source import open_source

SMALL, LARGE = (64, 48), (128, 96)


def write_streams(path: Path, *sizes: tuple[int, int], default: int | None = None) -> Path:
    """A second of images in each size; one of them may be flagged as the default."""
    with av.open(str(path), "w") as container:
        streams = []
        for number, (width, height) in enumerate(sizes):
            stream = cast(VideoStream, container.add_stream("libx264", rate=25))
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.disposition = Disposition(int(number == default))
            streams.append(stream)
        for index in range(25):
            for stream in streams:
                image = quadrants(stream.width, stream.height)
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, 25)
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("default", "number", "size"),
    [
        (None, None, LARGE),
        (0, None, SMALL),
        (2, None, SMALL),
        (1, None, LARGE),
        (0, 1, LARGE),
        (1, 2, SMALL),
    ],
)
def test_the_default_stream_is_taken_or_the_largest_or_that_asked_for(
    tmp_path: Path, default: int | None, number: int | None, size: tuple[int, int]
) -> None:
    path = write_streams(tmp_path / "a.mkv", SMALL, LARGE, SMALL, default=default)
    with open_source(path, SourceOptions(stream=number)) as source:
        assert (source.width, source.height) == size
        assert len(list(source)) == 25


def test_a_playlist_gives_its_best_rendition(tmp_path: Path) -> None:
    master = ["#EXTM3U"]
    for name, (width, height) in (("low", SMALL), ("high", LARGE)):
        write_video(tmp_path / f"{name}.m3u8", images=[quadrants(width, height)], hls_list_size="0")
        rate = 100 * width
        master += [f"#EXT-X-STREAM-INF:BANDWIDTH={rate},RESOLUTION={width}x{height}"]
        master += [f"{name}.m3u8"]
    (tmp_path / "master.m3u8").write_text("\n".join([*master, ""]))
    files = {path.name: path.read_bytes for path in tmp_path.iterdir()}
    with http_camera(files=files) as server:
        url = f"http://127.0.0.1:{server.port}/master.m3u8"
        with open_source(url) as best, open_source(url, SourceOptions(stream=0)) as first:
            assert (best.width, best.height) == LARGE
            assert (first.width, first.height) == SMALL
            assert len(list(best)) == len(list(first)) == 25


def write_song(path: Path) -> Path:
    """Sound with a cover, as music players write it."""
    cover = BytesIO()
    PIL.Image.fromarray(quadrants()).save(cover, "JPEG")
    with av.open(str(path), "w") as container:
        with av.open(str(write_audio(path.with_name("plain.m4a")))) as plain:
            sound = container.add_stream_from_template(plain.streams.audio[0])
            image = cast(VideoStream, container.add_stream("mjpeg"))
            image.width, image.height, image.pix_fmt = *SMALL, "yuvj420p"
            image.disposition = Disposition.attached_pic
            for packet in plain.demux(audio=0):
                if packet.dts is not None:
                    packet.stream = sound
                    container.mux(packet)
        packet = av.Packet(cover.getvalue())
        packet.stream, packet.pts, packet.dts, packet.time_base = image, 0, 0, Fraction(1, 1000)
        container.mux(packet)
    return path


def test_a_cover_is_no_video_but_may_be_asked_for(tmp_path: Path) -> None:
    song = write_song(tmp_path / "song.mp4")
    with pytest.raises(SourceError, match="no video stream, it holds a cover image, audio"):
        open_source(song)
    (cover,) = open_source(song, SourceOptions(stream=0))
    assert np.abs(cover.image[10, 10].astype(int) - (255, 0, 0)).max() < 40


def test_a_stream_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    path = write_streams(tmp_path / "a.mkv", SMALL, LARGE)
    with pytest.raises(SourceError, match="no video stream 2; there are: 0 of 64x48, 1 of 128x96"):
        open_source(path, SourceOptions(stream=2))
    with pytest.raises(ConfigError, match="stream must be 0 or more"):
        SourceOptions(stream=-1)
