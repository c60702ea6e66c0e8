"""A stream stays the same over many frames, and a soak notices when it does not."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from colour_runtime import ColourRuntime

from streamseg.errors import InputError
from streamseg.results import Image, NetworkOutput
from streamseg.segmenter import Segmenter
from streamseg.soak import SAMPLES, Sample, SoakReport, plot, soak

pytest.importorskip("psutil")

SOURCE = "test-pattern:64x64?frames=5000"


def test_two_thousand_frames_leave_the_process_as_it_was() -> None:
    report = SoakReport(tuple(soak(Segmenter(ColourRuntime(), size=(64, 64)), SOURCE, 2000)))
    assert len(report.samples) == SAMPLES
    assert report.samples[-1].frame == 2000
    assert report.growth_mb <= 5
    settled = report.samples[SAMPLES // 5 :]
    assert len({sample.threads for sample in settled}) == 1
    assert len({sample.files for sample in settled}) == 1


class Leaky(ColourRuntime):
    """Keeps a little of every picture, and starts threads that wait for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[np.ndarray] = []
        self.stop = threading.Event()

    def run(self, image: Image) -> NetworkOutput:
        self.kept.append(np.ones(500_000, np.float32))
        if len(self.kept) % 25 == 0:
            threading.Thread(target=self.stop.wait).start()
        return super().run(image)


def test_what_grows_is_noticed() -> None:
    runtime = Leaky()
    try:
        report = SoakReport(tuple(soak(Segmenter(runtime, size=(64, 64)), SOURCE, 100)))
    finally:
        runtime.stop.set()
    memory, threads = report.complaints()[:2]
    assert memory.startswith("memory grew by ")
    assert threads.startswith("threads went from ")


def test_a_latency_that_grows_is_noticed() -> None:
    steady = [Sample(10 * i, 100.0, 4, 9, 5.0) for i in range(1, SAMPLES + 1)]
    assert SoakReport(tuple(steady)).complaints() == []
    slower = tuple(replace(s, latency_ms=5.0 + s.frame / 100) for s in steady)
    (complaint,) = SoakReport(slower).complaints()
    assert complaint.startswith("frames take ")
    assert "<svg" in plot(SoakReport(slower))


def test_too_few_frames_are_refused() -> None:
    with pytest.raises(InputError, match="at least 100 frames, got 5"):
        next(soak(Segmenter(ColourRuntime()), SOURCE, 5))


def test_a_source_that_ends_early_is_told() -> None:
    samples = soak(Segmenter(ColourRuntime(), size=(64, 64)), "test-pattern:64x64?frames=150", 200)
    with pytest.raises(InputError, match="ended after 150 of 200 frames"):
        list(samples)
