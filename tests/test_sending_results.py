"""Results go to other processes, with their images, from whatever source."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from camera_servers import http_camera
from colour_runtime import ColourRuntime
from media import corners, quadrants, write_video

from streamseg.errors import InputError, MissingExtraError, SourceError
from streamseg.results import FrameResult
from streamseg.segmenter import Segmenter

SOURCES = ["array", "video", "turned video", "image", "pattern", "camera"]


def result_of(source: str, folder: Path) -> FrameResult:
    """The first result, whose source is closed already."""
    segmenter = Segmenter(ColourRuntime(), size=(64, 64))
    if source == "array":
        return segmenter(quadrants())
    if source == "camera":
        with http_camera() as camera, segmenter.stream(camera.url) as results:
            return next(results)
    place: Path | str = folder / "a.mp4"
    if source == "image":
        place = folder / "photo.png"
        PIL.Image.fromarray(quadrants()).save(place)
    elif source == "pattern":
        place = "test-pattern:64x64?frames=2"
    else:
        rotation = (90, False, False) if source == "turned video" else None
        write_video(folder / "a.mp4", rotation=rotation)
    with segmenter.stream(place) as results:
        return next(results)


def assert_same(sent: FrameResult, came: FrameResult) -> None:
    assert came is not sent
    assert np.array_equal(came.image, sent.image)
    assert np.array_equal(came.label_map, sent.label_map)
    assert [i.name for i in came.instances] == [i.name for i in sent.instances]
    for a, b in zip(sent.instances, came.instances, strict=True):
        assert np.array_equal(a.mask, b.mask)
        assert a.rle() == b.rle()
        assert b.label_map is came.label_map
    facts = ("index", "pts_seconds", "source", "dropped", "timings_ms", "latency_ms")
    assert [getattr(came, name) for name in facts] == [getattr(sent, name) for name in facts]
    assert (came.frame.width, came.frame.height) == (sent.frame.width, sent.frame.height)


@pytest.mark.parametrize("source", SOURCES)
def test_a_result_is_the_same_after_pickling_and_copying(source: str, tmp_path: Path) -> None:
    sent = result_of(source, tmp_path)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert_same(sent, pickle.loads(pickle.dumps(sent, protocol)))
    assert_same(sent, copy.deepcopy(sent))
    assert_same(copy.copy(sent), pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(sent)))))


def test_a_frame_that_was_sent_can_be_rendered_at_any_size(tmp_path: Path) -> None:
    frame = pickle.loads(pickle.dumps(result_of("video", tmp_path))).frame
    small = frame.render(30, 20)
    assert small.shape == (20, 30, 3)
    assert small.dtype == np.uint8
    assert corners(small) == "RGBK"
    with pytest.raises(InputError, match="1x1 pixels, got 0x5"):
        frame.render(0, 5)


def unchanged(result: FrameResult) -> FrameResult:
    assert corners(result.image) == "RGBK"
    return result


def test_a_result_goes_to_another_process_and_back(tmp_path: Path) -> None:
    sent = result_of("video", tmp_path)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert_same(sent, pool.submit(unchanged, sent).result())


def test_errors_can_be_sent_too() -> None:
    for error in (MissingExtraError("pyarrow", "parquet"), SourceError("no such file")):
        came = pickle.loads(pickle.dumps(error))
        assert type(came) is type(error)
        assert str(came) == str(error)
