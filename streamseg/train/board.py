"""TensorBoard logs: metrics of every step, and results on some fixed images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from torch import Tensor

from streamseg.config import ModelConfig
from streamseg.datasets import Sample
from streamseg.drawing.contact_sheet import contact_sheet
from streamseg.drawing.false_colours import embedding_colours, heat
from streamseg.drawing.overlay import draw
from streamseg.errors import MissingExtraError
from streamseg.frame import Image
from streamseg.kernels import decode_scores
from streamseg.model.network import Network
from streamseg.model.weights import network_from
from streamseg.runtime.torch_cpu import TorchRuntime
from streamseg.segmenter import Segmenter
from streamseg.train.metrics import StepMetrics
from streamseg.train.validation import ValidationResult


class Board:
    """Event files of one run, for ``tensorboard --logdir``."""

    def __init__(self, folder: Path, step: int) -> None:
        """Open new event files, beside those of an interrupted run.

        Args:
            folder: of the event files; made if missing.
            step: the first to be written. What a killed run logged from this step on is hidden.

        Raises:
            MissingExtraError: the package ``tensorboard`` is not installed.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtraError("tensorboard", "train") from error
        self.writer = SummaryWriter(str(folder), purge_step=step or None)

    def add(self, metrics: StepMetrics) -> None:
        """Log the metrics of a step."""
        for name, value in asdict(metrics).items():
            if name != "step":
                self.writer.add_scalar(name, value, metrics.step)

    def add_validation(self, found: ValidationResult) -> None:
        """Log the scores of a validation."""
        self.writer.add_scalar("validation/mAP^r_vol", found.score, found.step)
        for name, ap in found.ap_of_class.items():
            self.writer.add_scalar(f"validation/{name}", ap, found.step)

    def show(
        self,
        samples: Sequence[Sample],
        weights: dict[str, Tensor],
        config: ModelConfig,
        step: int,
    ) -> None:
        """Log a sheet of results for each image.

        Args:
            samples: the images, the same ones at every call.
            weights: of the network, on the CPU.
            config: of the network.
            step: at which the weights were reached.
        """
        network = network_from(weights, config).eval()
        for sample in samples:
            sheet = result_sheet(network, sample.image)
            self.writer.add_image(f"images/{sample.id}", sheet, step, dataformats="HWC")
        self.writer.flush()

    def close(self) -> None:
        """Flush and close the event files."""
        self.writer.close()


def result_sheet(network: Network, image: Image) -> Image:
    """Masks over an image, its embeddings in false colours and its seediness, side by side.

    Args:
        network: in evaluation mode, on the CPU.
        image: RGB uint8 [H, W, 3].

    Returns:
        RGB uint8.
    """
    result, output = Segmenter(TorchRuntime(network)).examine(image)
    seediness = decode_scores(output.foreground, output.classes).seediness
    return contact_sheet(
        [draw(result), embedding_colours(output.embeddings), heat(seediness)], columns=3
    )
