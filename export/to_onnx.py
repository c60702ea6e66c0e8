"""Export a torch network to an ONNX file and check that the two agree.

The graph takes a decoded image, uint8 RGB [1, H, W, 3], so that users cannot normalise it wrongly.
Height and width are free, in multiples of 32, unless a size is given. The model's configuration is
in the file's metadata.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from streamseg.config import SIZE_MULTIPLE
from streamseg.errors import InputError, MissingExtraError, ModelError
from streamseg.export.lint import refuse_unfit
from streamseg.export.onnx_file import only_errors, save_model
from streamseg.export.precision import Precision, planned
from streamseg.files.atomic_write import atomic_write
from streamseg.frame import Image
from streamseg.model.network import Network
from streamseg.release.parity import TOLERANCES, Tolerance, compare
from streamseg.runtime.model_file import CHANNELS_LAST, CLASSES, EMBEDDINGS, FOREGROUND
from streamseg.runtime.onnx import OnnxRuntime
from streamseg.runtime.torch_cpu import TorchRuntime

OPSET = 20
"""The highest that the parser of TensorRT 10.3 reads."""
LARGEST_SIDE = 4096


class DecodedImageNetwork(nn.Module):
    """The network with its preprocessing."""

    def __init__(self, network: Network, *, channels_last: bool = False) -> None:
        """Wrap a trained network."""
        super().__init__()
        self.network = network
        self.channels_last = channels_last

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Run the network on RGB uint8 [1, H, W, 3]; for the outputs see ``NetworkOutput``.

        With ``channels_last`` embeddings are [1, h, w, D].
        """
        # converted first, since TensorRT can only convert bytes
        pixels = image.float().permute(0, 3, 1, 2)
        embeddings, foreground, classes = self.network.output(pixels)
        if self.channels_last:
            embeddings = embeddings.permute(0, 2, 3, 1)
        return embeddings, foreground, classes


def export_onnx(
    network: Network,
    path: Path,
    *,
    size: tuple[int, int] | None = None,
    precision: Precision = "fp32",
    channels_last: bool = False,
) -> float:
    """Write ``network`` to ``path`` and compare the file with it.

    Batch norms are folded into the convolutions. The outputs, in the given precision, are
    ``embeddings`` [1, D, H/4, W/4], ``foreground`` [1, T, H/4, W/4] and ``classes`` [1, C, H/8,
    W/8]. A file with a size or in half precision is meant for TensorRT too, and must pass the
    checks for TensorRT 10.3 (see ``streamseg.export.lint``).

    Args:
        network: trained; it is not changed.
        path: of the new file; an old one is replaced only by a file that passed the check.
        size: width and height in pixels, multiples of 32, of the only images that the file
            takes; images of any such size if None.
        precision: ``fp16`` as ``streamseg.export.precision`` plans it.
        channels_last: instead of ``embeddings`` the file gives ``embeddings_channels_last``
            [1, H/4, W/4, D], the order in which the kernels read them.

    Returns:
        Largest difference to torch, relative to the largest value of the output.

    Raises:
        InputError: ``size`` is not a multiple of 32, or larger than 4096.
        ModelError: the exported graph does not agree with the network, or TensorRT would refuse it.
        MissingExtraError: onnx or onnxscript is not installed.
    """
    try:
        import onnx
        from onnxscript.optimizer import fold_constants
    except ImportError as error:
        raise MissingExtraError("onnx and onnxscript", "export") from error
    width, height = size or (6 * SIZE_MULTIPLE, 4 * SIZE_MULTIPLE)
    if any(side % SIZE_MULTIPLE or not 0 < side <= LARGEST_SIDE for side in (width, height)):
        raise InputError(
            f"size must be multiples of {SIZE_MULTIPLE} up to {LARGEST_SIDE}, got {width}x{height}"
        )

    cells = LARGEST_SIDE // SIZE_MULTIPLE
    sides = {
        1: SIZE_MULTIPLE * torch.export.Dim("rows", min=1, max=cells),
        2: SIZE_MULTIPLE * torch.export.Dim("columns", min=1, max=cells),
    }
    with atomic_write(path) as partial:
        with only_errors(logging.getLogger("torch.onnx")), warnings.catch_warnings():
            # deprecation warnings inside torch's exporter
            warnings.simplefilter("ignore")
            torch.onnx.export(
                DecodedImageNetwork(planned(network, precision), channels_last=channels_last),
                (torch.zeros(1, height, width, 3, dtype=torch.uint8),),
                partial,
                input_names=["image"],
                output_names=[
                    CHANNELS_LAST if channels_last else EMBEDDINGS,
                    FOREGROUND,
                    CLASSES,
                ],
                dynamic_shapes=None if size else {"image": sides},
                opset_version=OPSET,
                external_data=False,
                dynamo=True,
                verbose=False,
            )
        model = onnx.load(partial)
        # slices of weights: the exporter folds small ones only
        fold_constants(model, input_size_limit=2**24, output_size_limit=2**24)
        for node in model.graph.node:
            del node.metadata_props[:]  # stack traces, with the paths of this machine
        save_model(model, network.output_config, partial)
        if size or precision == "fp16":
            refuse_unfit(model)
        # at sizes other than that of the export, if the file takes them
        sizes = [size] if size else [(160, 96), (96, 160)]
        return _difference(network, partial, sizes, TOLERANCES[precision].relative)


def _difference(
    network: Network, path: Path, sizes: list[tuple[int, int]], tolerance: float
) -> float:
    """Compare torch and ONNX Runtime on noise; see ``export_onnx``."""
    rng = np.random.default_rng(0)
    noise: list[Image] = [rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for w, h in sizes]
    parity = compare(TorchRuntime.copy_of(network), OnnxRuntime(path), noise)
    try:
        # labels are not compared: noise has no objects
        parity.check(Tolerance(relative=tolerance, sure_agreement=0.0))
    except ModelError as error:
        raise ModelError(f"the exported graph differs from torch: {error}") from error
    return max(difference.relative for difference in parity.tensors.values())
