from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from colour_runtime import ColourRuntime

from benchmarks.accuracy import AccuracyChange, score
from streamseg.datasets import VocLayout
from streamseg.frame import Image
from streamseg.results import NetworkOutput

MakeVoc = Callable[..., VocLayout]


class Mistaken(ColourRuntime):
    """Takes cars for persons and persons for cars."""

    def run(self, image: Image) -> NetworkOutput:
        output = super().run(image)
        return replace(output, classes=output.classes[::-1])


def test_accuracy_changes_with_what_is_seen(make_voc: MakeVoc) -> None:
    data = make_voc([[1], [2, 1]])
    data.class_names = ColourRuntime().config.class_names
    right = score(ColourRuntime(), data, data.ids)
    assert right.image_count == 2
    assert right.map_r[0] > 0
    same = AccuracyChange(right, right)
    assert same.points == same.volume_points == 0
    worse = AccuracyChange(right, score(Mistaken(), data, data.ids, size=(96, 64)))
    assert worse.points < 0
    assert worse.volume_points < 0
