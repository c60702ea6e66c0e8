"""Video of high dynamic range, which is not tone-mapped, is told."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import cast

import av
import pytest
from av.video.stream import VideoStream
from media import quadrants

from streamseg.video.source import open_source


def write_tagged(path: Path, trc: int) -> Path:
    """Two frames that say how their numbers turn into light."""
    with av.open(str(path), "w") as container:
        stream = cast(VideoStream, container.add_stream("libx264", rate=25))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.color_trc = trc
        for _ in range(2):
            frame = av.VideoFrame.from_ndarray(quadrants(), format="rgb24").reformat(
                format="yuv420p"
            )
            frame.color_trc = trc  # said only: to convert the light takes seconds
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(("trc", "name"), [(16, "HDR (PQ)"), (18, "HDR (HLG)"), (1, "")])
def test_high_dynamic_range_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, trc: int, name: str
) -> None:
    with caplog.at_level(logging.WARNING):
        assert len(list(open_source(write_tagged(tmp_path / "a.mp4", trc)))) == 2
    assert len(caplog.messages) == bool(name)
    assert all(name in message for message in caplog.messages)
