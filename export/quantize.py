"""Float ONNX file → 8-bit ONNX file, for ONNX Runtime on a CPU or for TensorRT.

Static quantization after training: convolutions compute in integers, with the ranges of their
inputs measured on calibration images. The few most sensitive layers stay in float.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from streamseg.errors import InputError, MissingExtraError, ModelError
from streamseg.export.lint import refuse_unfit
from streamseg.export.onnx_file import only_errors, save_model
from streamseg.files.atomic_write import atomic_write
from streamseg.frame import Image
from streamseg.runtime.base import check_network_image
from streamseg.runtime.model_file import CLASSES, EMBEDDINGS, FOREGROUND
from streamseg.runtime.onnx import OnnxRuntime

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

OUTPUTS = (EMBEDDINGS, FOREGROUND, CLASSES)
FLOAT_LAYERS = 6
"""Convolutions at the start that stay in float. In EfficientNet-Lite0 these are the ones at stride
2, whose activations spread widest: they make most of the error of an 8-bit network."""
FLOAT_WEIGHTS = (
    # coordinates may exceed the calibrated range, and outputs are compared with thresholds
    *("pixel_head.position.", "pixel_head.embedding.", "pixel_head.foreground.", "class_head."),
    # PicoDet's stem gives values up to 400, most of them below 1. If one 8-bit convolution reads a
    # tensor, the tensor is rounded for all convolutions that read it. So all convolutions that read
    # the output of the stem stay in float, and so does the unit that halves the next stage's map
    *("backbone.stages.0.down.", "neck.fine_lateral.", "backbone.stages.1.down."),
    # gates of squeeze-and-excitation: few products, and an error scales a whole channel
    "excite.",
)
"""Parts of names of weights that stay in float."""
TOLERANCE = 0.25
"""Largest root mean square difference to the float file, relative to the output's own spread."""


@dataclass(frozen=True)
class Scheme:
    """A quantization scheme, as required by the runtime."""

    activation_type: str
    """Name of ONNX Runtime's ``QuantType``."""
    reduce_range: bool
    """Weights keep 7 bits."""
    options: Mapping[str, object]
    """Of ONNX Runtime's quantizer."""
    is_for_tensorrt: bool


CPU = Scheme("QUInt8", reduce_range=True, options={}, is_for_tensorrt=False)
"""Less than half of the size of the float file. On CPUs without VNNI, sums of two products of
8-bit numbers overflow 16 bits, hence the 7."""
TENSORRT = Scheme(
    "QInt8",
    reduce_range=False,
    options={
        "ActivationSymmetric": True,
        "WeightSymmetric": True,
        # TensorRT's parser refuses integer biases
        "QuantizeBias": False,
        "AddQDQPairToWeight": True,
        # convolution, activation and the next quantization are fused into one kernel
        "OpTypesToExcludeOutputQuantization": ["Conv"],
    },
    is_for_tensorrt=True,
)
"""Zero points are 0; layers that are not quantized keep the precision of the source."""


def quantize_onnx(
    source: Path, target: Path, images: Sequence[Image], *, scheme: Scheme = CPU
) -> float:
    """Write an 8-bit version of an exported model, and compare the two.

    Weights have one scale per channel, activations one per tensor. Their ranges are the extremes
    over all images, or the means over images of the extremes, whichever agrees better: means serve
    a network in which single values lie far outside, as in PicoDet.

    Args:
        source: a file that ``export_onnx`` wrote: fp32 for ``CPU``, best fp16 for ``TENSORRT``.
        target: of the new file; an old one is replaced only by a file that passed the check.
        images: to calibrate and compare on, RGB uint8 [H, W, 3], H and W multiples of 32, typical
            of the network's use; some dozens.
        scheme: ``CPU`` or ``TENSORRT``.

    Returns:
        Root mean square difference of the outputs, relative to their spread, the largest of all.

    Raises:
        InputError: no images, or of a size that the source does not take.
        ModelError: ``source`` is not a streamseg model, the two files disagree, or TensorRT would
            refuse the new one.
        MissingExtraError: onnx is not installed.
    """
    try:
        import onnx  # noqa: F401  (ONNX Runtime needs it, but its error is less clear)
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise MissingExtraError("onnx", "export") from error
    if not images:
        raise InputError("quantization needs images to measure activations on, got none")
    reference = OnnxRuntime(source)
    for image in images:
        check_network_image(image, reference.size)

    with tempfile.TemporaryDirectory() as folder, only_errors(logging.getLogger()):
        # the quantizer logs advice to the root logger
        prepared = source
        if not scheme.is_for_tensorrt:
            # not for TensorRT: it inserts casts around operators that a CPU cannot compute in half
            # precision
            prepared = Path(folder, "prepared.onnx")
            quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        candidates = []
        for averaged in (True, False):
            path = Path(folder, f"{averaged}.onnx")
            model = _quantized(prepared, path, images, scheme, averaged=averaged)
            save_model(model, reference.config, path)
            difference = _spread_difference(reference, OnnxRuntime(path), images)
            candidates.append((difference, path))
        difference, best = min(candidates)
        if not difference <= TOLERANCE:
            raise ModelError(
                f"the 8-bit model differs from the float model by {difference:.2f} of its "
                f"outputs' spread; {TOLERANCE} is allowed"
            )
        with atomic_write(target) as partial:
            shutil.copyfile(best, partial)
    return difference


def _quantized(
    prepared: Path, path: Path, images: Sequence[Image], scheme: Scheme, *, averaged: bool
) -> ModelProto:
    """Quantize the file ``prepared``, by way of the file ``path``; see ``quantize_onnx``.

    Args:
        prepared: the float file.
        path: where ONNX Runtime writes the new one.
        images: to calibrate on.
        scheme: of the quantization.
        averaged: whether ranges are means over images.

    Raises:
        ModelError: TensorRT would refuse the new one.
    """
    import onnx
    from onnxruntime import quantization

    class CalibrationReader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.feeds: Iterator[dict[str, Any]] = ({"image": p[None]} for p in images)

        def get_next(self) -> dict[str, Any] | None:
            return next(self.feeds, None)

    quantization.quantize_static(
        str(prepared),
        str(path),
        CalibrationReader(),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        reduce_range=scheme.reduce_range,
        activation_type=quantization.QuantType[scheme.activation_type],
        weight_type=quantization.QuantType.QInt8,
        op_types_to_quantize=["Conv"],
        nodes_to_exclude=_float_convolutions(onnx.load(prepared).graph),
        extra_options={**scheme.options, "CalibMovingAverage": averaged},
    )
    model = onnx.load(path)
    if scheme.is_for_tensorrt:
        refuse_unfit(model)
    else:
        _drop_clips(model.graph)
    return model


def _float_convolutions(graph: GraphProto) -> list[str]:
    """Name the convolutions that stay in float."""
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    return [
        node.name
        for position, node in enumerate(convolutions)
        if position < FLOAT_LAYERS or any(part in node.input[1] for part in FLOAT_WEIGHTS)
    ]


def _drop_clips(graph: GraphProto) -> None:
    """Remove each ReLU or ReLU6 between a convolution and its quantization.

    The clip is not needed: quantization cuts values off at the ends of its range, and this range
    was measured after the clip (0 to at most 6). If the clip stayed, the convolution would stay in
    float.
    """
    from onnx import numpy_helper

    constants = {constant.name: constant for constant in graph.initializer}
    for node in list(graph.node):
        if node.op_type not in ("Relu", "Clip"):
            continue
        users = [user for user in graph.node if node.output[0] in user.input]
        if all(
            user.op_type == "QuantizeLinear"
            and not numpy_helper.to_array(constants[user.input[2]]).any()
            for user in users
        ):
            for user in users:
                user.input[0] = node.input[0]
            graph.node.remove(node)


def _spread_difference(
    reference: OnnxRuntime, quantized: OnnxRuntime, images: Sequence[Image]
) -> float:
    """Compute the RMS difference over the standard deviation, the largest of all outputs."""
    squares = np.zeros((len(OUTPUTS), 2))
    for image in images:
        exact, coarse = reference.run(image), quantized.run(image)
        for row, name in enumerate(OUTPUTS):
            truth: Any = getattr(exact, name)
            squares[row] += np.square(getattr(coarse, name) - truth).mean(), truth.var()
    error, spread = np.sqrt(squares).T
    # an output may be constant: of a single class Q is 1 everywhere
    constant = np.where(error > 0, np.inf, 0.0)
    return float(np.divide(error, spread, out=constant, where=spread > 0).max())
