"""Pixels that are not square, as of DV, DVDs and anamorphic lenses."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from av.video.stream import VideoStream
from colour_runtime import ColourRuntime
from media import quadrants, write_video

from streamseg.formats.video import VideoWriter
from streamseg.frame import Image
from streamseg.results import NetworkOutput
from streamseg.segmenter import Segmenter
from streamseg.video.source import open_source

WIDE = Fraction(16, 11)


def write_anamorphic(
    path: Path, aspect: Fraction, rotation: int = 0, size: tuple[int, int] = (192, 160)
) -> Path:
    with av.open(str(path), "w") as container:
        stream = cast(VideoStream, container.add_stream("libx264", rate=25))
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(rotation, False, False)
        for index in range(4):
            frame = av.VideoFrame.from_ndarray(quadrants(*size), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


class WatchedRuntime(ColourRuntime):
    """Remembers the sizes of the images that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[int, int]] = set()

    def run(self, image: Image) -> NetworkOutput:
        self.seen.add((image.shape[1], image.shape[0]))
        return super().run(image)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_the_annotated_video_keeps_the_shape_of_pixels(tmp_path: Path, suffix: str) -> None:
    path = write_anamorphic(tmp_path / f"in{suffix}", WIDE)
    outs = [tmp_path / f"out{suffix}", tmp_path / f"later{suffix}"]
    with Segmenter(ColourRuntime()).stream(path) as results:
        assert results.opened is not None
        with VideoWriter(outs[0], source=results.opened) as now, VideoWriter(outs[1]) as later:
            for result in results:
                now.write(result)
                later.write(result)
    for out in outs:
        with av.open(str(out)) as container:
            stream = container.streams.video[0]
            assert (stream.width, stream.height) == (192, 160)
            assert stream.sample_aspect_ratio == WIDE


def test_the_network_sees_square_pixels_and_results_are_in_stored_ones(tmp_path: Path) -> None:
    path = write_anamorphic(tmp_path / "in.mp4", WIDE)
    runtime = WatchedRuntime()
    result = next(iter(Segmenter(runtime).stream(path)))
    (seen,) = runtime.seen
    assert seen == runtime.config.input_size(round(192 * WIDE), 160)
    assert seen[0] / seen[1] == pytest.approx(192 * 16 / 11 / 160, rel=0.06)
    assert result.label_map.shape == result.image.shape[:2] == (160, 192)
    assert max(x1 for _, _, x1, _ in (i.box for i in result.instances)) <= 192


@pytest.mark.parametrize(("rotation", "aspect"), [(0, WIDE), (90, 1 / WIDE), (180, WIDE)])
def test_a_turned_image_has_turned_pixels(tmp_path: Path, rotation: int, aspect: Fraction) -> None:
    source = open_source(write_anamorphic(tmp_path / "in.mp4", WIDE, rotation))
    assert source.pixel_aspect == aspect == next(source).pixel_aspect


def test_pixels_are_square_where_nothing_else_is_said(tmp_path: Path) -> None:
    assert open_source(write_video(tmp_path / "a.mp4")).pixel_aspect == 1
    assert open_source("test-pattern:").pixel_aspect == 1
    absurd = write_anamorphic(tmp_path / "b.mkv", Fraction(1, 200))
    assert np.isclose(float(open_source(absurd).pixel_aspect), 1)
