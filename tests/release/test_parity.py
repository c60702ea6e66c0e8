from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from colour_runtime import ColourRuntime
from onnx import numpy_helper
from small_export import SIZE, Export, blobs

from streamseg.errors import InputError, ModelError
from streamseg.frame import Image
from streamseg.model.network import Network
from streamseg.release.parity import (
    TOLERANCES,
    Difference,
    Parity,
    Tolerance,
    compare,
)
from streamseg.results import NetworkOutput
from streamseg.runtime.onnx import OnnxRuntime
from streamseg.runtime.torch_cpu import TorchRuntime

ROOT = Path(__file__).parents[2]
GOOD = Parity(
    Difference(0.0, 0.0),
    Difference(0.0, 0.0),
    Difference(0.0, 0.0),
    label_agreement=1.0,
    class_agreement=1.0,
    sure_agreement=1.0,
    images=1,
)


def shifted(source: Path, weight: str, target: Path, factor: float) -> Path:
    """The file with one of its weights multiplied."""
    model = onnx.load(source)
    (tensor,) = [tensor for tensor in model.graph.initializer if tensor.name.endswith(weight)]
    values = numpy_helper.to_array(tensor)
    tensor.CopyFrom(numpy_helper.from_array(values * values.dtype.type(factor), tensor.name))
    onnx.save(model, target)
    return target


class Painted(ColourRuntime):
    """Colours, but for a patch of one image in four that another class is seen in."""

    def run(self, image: Image) -> NetworkOutput:
        output = super().run(image)
        h, w = output.classes.shape[1] // 2, output.classes.shape[2] // 2
        classes = output.classes.copy()
        classes[:, :h, :w] = output.classes[::-1, :h, :w]
        return replace(output, classes=classes)


def quarters() -> Image:
    """Red, green, blue and yellow."""
    image = np.zeros((64, 96, 3), np.uint8)
    image[:32, :48], image[:32, 48:] = (230, 30, 30), (30, 210, 40)
    image[32:, :48], image[32:, 48:] = (40, 60, 240), (230, 220, 40)
    return image


@pytest.mark.parametrize("kind", [{"precision": "fp32"}, {"precision": "fp16"}], ids=str)
def test_an_export_passes_its_gate(
    small_network: Network, export: Export, kind: dict[str, str]
) -> None:
    path = export(size=SIZE, channels_last=True, **kind).path
    parity = compare(TorchRuntime.copy_of(small_network), OnnxRuntime(path, threads=1), blobs(3))
    # random weights say all classes nearly alike
    parity.check(replace(TOLERANCES[kind["precision"]], sure_agreement=0.9))
    assert parity.images == 3
    assert 0 < parity.foreground.relative < parity.foreground.absolute * 10
    assert 0 < parity.classes.absolute <= parity.classes.relative
    if kind["precision"] == "fp16":
        with pytest.raises(ModelError, match=r"embeddings differs by .* 0.0001 is allowed"):
            parity.check(Tolerance(relative=1e-4, sure_agreement=0.0))


@pytest.mark.parametrize(
    ("name", "weight"),
    [
        ("embeddings", "pixel_head.embedding.weight"),
        ("foreground", "pixel_head.foreground.weight"),
        ("classes", "class_head.weight"),
    ],
)
def test_a_file_that_was_tampered_with_is_refused_by_the_name_of_the_tensor(
    small_network: Network, export: Export, name: str, weight: str, tmp_path: Path
) -> None:
    source = export(precision="fp32", size=SIZE, channels_last=True).path
    path = shifted(source, weight, tmp_path / "model.onnx", 1.3)
    parity = compare(TorchRuntime.copy_of(small_network), OnnxRuntime(path, threads=1), blobs(2))
    with pytest.raises(
        ModelError,
        match=rf"^output {name} differs by 0\.\d+ of its largest value; 0\.02 is allowed$",
    ):
        parity.check(TOLERANCES["fp16"])


@pytest.mark.parametrize(
    ("name", "bias"),
    [("foreground", "pixel_head.foreground.bias"), ("classes", "class_head.bias")],
)
def test_nan_is_refused_whatever_is_allowed(
    small_network: Network, export: Export, name: str, bias: str, tmp_path: Path
) -> None:
    source = export(precision="fp32", size=SIZE, channels_last=True).path
    path = shifted(source, bias, tmp_path / "model.onnx", np.nan)
    parity = compare(TorchRuntime.copy_of(small_network), OnnxRuntime(path, threads=1), blobs(2))
    assert np.isnan([parity.label_agreement, parity.class_agreement, parity.sure_agreement]).all()
    with pytest.raises(ModelError, match=rf"^output {name} holds NaN or infinity$"):
        parity.check(Tolerance(relative=np.inf, sure_agreement=0.0))


def test_pixels_agree_where_both_see_the_same_class() -> None:
    image = quarters()
    assert compare(ColourRuntime(), ColourRuntime(), [image]).class_agreement == 1
    parity = compare(ColourRuntime(), Painted(), [image])
    assert parity.class_agreement == pytest.approx(0.75, abs=0.05)
    grey = np.full_like(image, 90)  # no object: background counts, and all agree
    both = compare(ColourRuntime(), Painted(), [image, grey])
    assert both.class_agreement == pytest.approx((1 + parity.class_agreement) / 2)


def test_labels_agree_where_the_networks_most_probable_class_is_the_same() -> None:
    image = quarters()
    assert compare(ColourRuntime(), ColourRuntime(), [image]).label_agreement == 1
    assert compare(ColourRuntime(), Painted(), [image]).label_agreement == pytest.approx(0.75)


def test_too_few_pixels_that_agree_are_refused() -> None:
    replace(GOOD, sure_agreement=0.995).check(TOLERANCES["fp16"])
    with pytest.raises(ModelError, match=r"99\.40% of the pixels keep their class; 99\.50% must"):
        replace(GOOD, sure_agreement=0.994).check(TOLERANCES["fp16"])


class Surer(ColourRuntime):
    """Colours, but everything is a car, as sure as this logit says."""

    def __init__(self, logit: float) -> None:
        super().__init__()
        self.logit = logit

    def run(self, image: Image) -> NetworkOutput:
        output = super().run(image)
        classes = np.zeros_like(output.classes)
        classes[0] = 1
        foreground = np.full_like(output.foreground, self.logit)
        return NetworkOutput(output.embeddings, foreground, classes)


@pytest.mark.parametrize(("logit", "is_within_margin"), [(-0.03, True), (-0.2, False)])
def test_an_instance_within_the_score_margin_counts_as_agreeing(
    logit: float, is_within_margin: bool
) -> None:
    image = np.full((64, 96, 3), 200, np.uint8)
    # scores of 0.5025, and of 0.4925 or 0.45
    parity = compare(Surer(0.01), Surer(logit), [image])
    assert parity.class_agreement == 0
    assert parity.sure_agreement == (1 if is_within_margin else 0)


def test_a_comparison_needs_images() -> None:
    with pytest.raises(InputError, match="needs images"):
        compare(ColourRuntime(), ColourRuntime(), [])


def test_the_reference_is_a_copy(small_network: Network) -> None:
    reference = TorchRuntime.copy_of(small_network)
    before = reference.run(blobs(1)[0])
    assert small_network.training
    with torch.no_grad():
        bias = small_network.pixel_head.embedding.bias
        assert bias is not None
        bias += 1
        after = reference.run(blobs(1)[0])
        bias -= 1
    assert np.array_equal(before.embeddings, after.embeddings)


def test_no_torch_is_needed_where_an_engine_runs() -> None:
    code = """
import sys
sys.modules["torch"] = None
import benchmarks.accuracy, streamseg.export.lint, streamseg.release.parity
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
