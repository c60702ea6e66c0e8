"""Soaks for ``test_soak.py``: ``python soak_scenarios.py NAME``, a process for each."""

from __future__ import annotations

import json
import sys
import threading

import numpy as np
from colour_runtime import ColourRuntime

from benchmarks.soak import SoakReport, soak
from streamseg.frame import Image
from streamseg.results import NetworkOutput
from streamseg.segmenter import Segmenter

SOURCE = "test-pattern:64x64?frames=5000"


class Leaky(ColourRuntime):
    """Keeps a little of every image, and starts threads that wait for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[np.ndarray] = []

    def run(self, image: Image) -> NetworkOutput:
        self.kept.append(np.ones(50_000, np.float32))
        if len(self.kept) % 100 == 0:
            threading.Thread(target=threading.Event().wait, daemon=True).start()
        return super().run(image)


if __name__ == "__main__":
    runtime, frames = {"steady": (ColourRuntime(), 2000), "leaky": (Leaky(), 400)}[sys.argv[1]]
    report = SoakReport(tuple(soak(Segmenter(runtime, size=(64, 64)), SOURCE, frames)))
    print(json.dumps([len(report.samples), report.samples[-1].frame, report.complaints()]))
