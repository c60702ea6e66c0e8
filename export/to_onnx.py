"""Torch network → ONNX file, refused when the two do not agree.

The graph takes the picture as it comes out of a decoder, uint8 RGB [1, H, W, 3], so that no
user of the file can normalise it wrongly. Height and width stay free, in multiples of 32. The
model's configuration travels in the file's metadata.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from streamseg.config import SIZE_MULTIPLE
from streamseg.errors import MissingExtraError, ModelError
from streamseg.export.onnx_file import only_errors, save_model
from streamseg.model.network import Network
from streamseg.runtime.onnx import OnnxRuntime
from streamseg.whole_file import replaced

OPSET = 18
"""The lowest that torch still writes and the highest that older TensorRT parsers read."""
TOLERANCE = 1e-3
"""Largest difference to torch that is accepted, relative to the output's largest value."""
LARGEST_SIDE = 4096


class DecoderPicture(nn.Module):
    """The network behind the preprocessing that every caller would need."""

    def __init__(self, network: Network) -> None:
        """Wrap a trained network."""
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """RGB uint8 [1, H, W, 3] → embeddings [1, D, h, w], logits [1, T, C+1, h, w]."""
        embeddings, logits = self.network(image.permute(0, 3, 1, 2).float())
        return embeddings, logits


def export_onnx(network: Network, path: Path) -> float:
    """Write ``network`` to ``path`` and compare the file with it.

    Args:
        network: trained; its mode is set to evaluation.
        path: of the new file; an old one is replaced only by a file that passed the check.

    Returns:
        Largest difference to torch, relative to the largest value of the output.

    Raises:
        ModelError: the exported graph does not agree with the network.
        MissingExtraError: onnx or onnxscript is not installed.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401  (torch.onnx needs it and says so less clearly)
    except ImportError as error:
        raise MissingExtraError("onnx and onnxscript", "export") from error

    network.eval()
    sides = {
        1: SIZE_MULTIPLE * torch.export.Dim("rows", min=1, max=LARGEST_SIDE // SIZE_MULTIPLE),
        2: SIZE_MULTIPLE * torch.export.Dim("columns", min=1, max=LARGEST_SIDE // SIZE_MULTIPLE),
    }
    example = torch.zeros(1, 4 * SIZE_MULTIPLE, 6 * SIZE_MULTIPLE, 3, dtype=torch.uint8)
    with replaced(path) as partial:
        with only_errors(logging.getLogger("torch.onnx")), warnings.catch_warnings():
            # of torch's own making: deprecations inside its exporter
            warnings.simplefilter("ignore")
            torch.onnx.export(
                DecoderPicture(network),
                (example,),
                partial,
                input_names=["image"],
                output_names=["embeddings", "logits"],
                dynamic_shapes={"image": sides},
                opset_version=OPSET,
                external_data=False,
                dynamo=True,
                verbose=False,
            )
        model = onnx.load(partial)
        for node in model.graph.node:
            del node.metadata_props[:]  # stack traces, with the paths of this machine
        save_model(model, network.config, partial)
        difference = largest_difference(network, partial)
        if not difference <= TOLERANCE:
            raise ModelError(
                f"the exported graph differs from torch by {difference:.2g} of its largest value; "
                f"{TOLERANCE:.0e} is allowed"
            )
    return difference


def largest_difference(network: Network, path: Path) -> float:
    """Run torch and ONNX Runtime on noise of two sizes, neither that of the export.

    Returns:
        Largest difference, relative to the largest value of the output.
    """
    runtime = OnnxRuntime(path)
    rng = np.random.default_rng(0)
    differences = []
    for height, width in ((96, 160), (160, 96)):
        image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        output = runtime.run(image)
        with torch.inference_mode():
            embeddings, logits = DecoderPicture(network)(torch.from_numpy(image)[None])
        for ours, theirs in ((output.embeddings, embeddings), (output.logits, logits)):
            reference = theirs[0].numpy()
            differences.append(np.abs(ours - reference).max() / np.abs(reference).max())
    return float(np.max(differences))  # unlike max(), not blind to NaN
