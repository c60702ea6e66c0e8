from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from colour_runtime import ColourRuntime

from benchmarks.accuracy import accuracy_change
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
    same = accuracy_change(ColourRuntime(), ColourRuntime(), data, data.ids)
    assert same.points == same.volume_points == 0
    assert same.reference.image_count == 2
    assert same.reference.map_r[0] > 0
    worse = accuracy_change(ColourRuntime(), Mistaken(), data, data.ids, size=(96, 64))
    assert worse.points < 0
    assert worse.volume_points < 0
