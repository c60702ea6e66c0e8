"""Results of a run: the model in every format, and its card."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from PIL import Image as PillowImage

from streamseg.errors import ModelError
from streamseg.export.quantize import quantize_onnx
from streamseg.export.to_onnx import export_onnx
from streamseg.files.atomic_write import atomic_write
from streamseg.model.weights import network_from, save_safetensors
from streamseg.train.data import images_at_input_size
from streamseg.train.loop import Trainer

CALIBRATION_IMAGES: Final = 64
"""Number of training images that calibrate the 8-bit network."""


@dataclass(frozen=True)
class RunResult:
    """The files of a trained model."""

    safetensors: Path
    """For fine-tuning, for exporting releases, and for CUDA."""
    card: Path
    """JSON: configurations, steps, and the ids of the training images."""
    onnx: Path
    """For CPUs."""
    onnx_difference: float
    """Largest difference to torch, relative to the largest value of the output."""
    int8: Path | None
    """The 8-bit model, which is smaller; None if it differs too much from the float model."""
    int8_difference: float
    """Root mean square difference to the float file; NaN where there is no 8-bit file."""
    int8_refusal: str
    """Why there is no 8-bit file; empty where there is one."""
    step: int
    """At which the weights were reached."""
    predictions: Path | None
    """Validation images with their truth and predictions; None without validation."""


def write_result(trainer: Trainer) -> RunResult:
    """Write the model of a run into its folder, whether the run has ended or was stopped.

    Call it in the first process only.

    Raises:
        MissingExtraError: onnx or onnxscript is not installed; ``model.safetensors`` and
            ``model.json`` are there by then.
        ModelError: the exported graph does not agree with the network.
    """
    folder = trainer.folder
    weights, step = trainer.best_weights()
    safetensors, card = folder / "model.safetensors", folder / "model.json"
    save_safetensors(safetensors, weights, trainer.model_config)
    content = {
        "steps": step,
        "model": json.loads(trainer.model_config.to_json()),
        "training": json.loads(trainer.config.to_json()),
        "classes": trainer.classes,
        "training_images": trainer.image_ids,
    }
    predictions = None
    if trainer.validation:
        content["validation"] = [asdict(found) for found in trainer.validation.history]
        predictions = folder / "predictions.jpg"
        with atomic_write(predictions) as partial:
            PillowImage.fromarray(trainer.validation.sheet(weights)).save(partial, "JPEG")
    with atomic_write(card) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    onnx, int8 = folder / "model.onnx", folder / "model.int8.onnx"
    onnx_difference = export_onnx(network_from(weights, trainer.model_config), onnx)
    images = images_at_input_size(trainer.batches.images, trainer.model_config, CALIBRATION_IMAGES)
    try:
        int8_difference, refusal = quantize_onnx(onnx, int8, images), ""
    except ModelError as error:
        int8_difference, refusal = float("nan"), str(error)
        int8.unlink(missing_ok=True)  # of earlier weights
    return RunResult(
        safetensors,
        card,
        onnx,
        onnx_difference,
        None if refusal else int8,
        int8_difference,
        refusal,
        step,
        predictions,
    )
