"""Weights on disk: checkpoints for resuming a run, safetensors for fine-tuning."""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from streamseg.classes import plain_name
from streamseg.config import DEFAULT_SCORE_THRESHOLD, ModelConfig
from streamseg.errors import ConfigError, MissingExtraError, ModelError
from streamseg.model.network import UNKNOWN_TO_TRUNK, Network

BROKEN_PICKLE = (
    *(OSError, EOFError, RuntimeError, TypeError, ValueError, LookupError, AttributeError),
    *(AssertionError, struct.error, pickle.UnpicklingError),
)
"""What ``torch.load`` raises on broken files (found by trial), and ``Checkpoint`` on foreign
ones."""


@dataclass(frozen=True)
class Checkpoint:
    """State from which a run resumes."""

    network: dict[str, Tensor]
    optimizer: dict[str, Any]
    step: int
    """Steps done."""
    model_config: ModelConfig
    train_config_json: str
    image_ids: list[str]
    """Ids of all training images; the evaluator leaves them out."""
    classes: dict[str, str] = field(default_factory=dict)
    """The user's table of what classes of the data become."""
    average: dict[str, Tensor] | None = None
    """The moving average of ``network``, if the run keeps one."""
    teacher: dict[str, Tensor] | None = None
    """The trunk as it was when the run began, if the run distils."""


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint with ``torch.save``."""
    values = {field.name: getattr(checkpoint, field.name) for field in fields(checkpoint)}
    torch.save({**values, "model_config": checkpoint.model_config.to_json()}, path)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        ModelError: missing, truncated, or not a streamseg checkpoint.
    """
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
        return Checkpoint(
            **{**values, "model_config": ModelConfig.from_json(values["model_config"])}
        )
    except FileNotFoundError as error:
        raise ModelError(f"{path} does not exist") from error
    except BROKEN_PICKLE as error:
        raise ModelError(f"{path} is not a streamseg checkpoint: {error}") from error


def save_safetensors(path: Path, network: dict[str, Tensor], config: ModelConfig) -> None:
    """Write weights for fine-tuning, the model's configuration in the file's header.

    Weights are stored as float16, which changes them by at most 1 part in 2000. Running statistics
    of batch norms stay float32: variances need its range.
    """
    try:
        from safetensors.torch import save
    except ImportError as error:
        raise MissingExtraError("safetensors", "train") from error
    tensors = {name: _stored(name, tensor).contiguous() for name, tensor in network.items()}
    # save_file of safetensors 0.8 lets nobody but the owner read the file
    path.write_bytes(save(tensors, metadata={"streamseg": json.dumps(asdict(config))}))


def _stored(name: str, tensor: Tensor) -> Tensor:
    """Convert a tensor to the dtype in the file."""
    if not tensor.is_floating_point() or name.endswith(("running_mean", "running_var")):
        return tensor
    half = tensor.half()
    return half if half.isfinite().all() else tensor


def load_safetensors(path: Path) -> tuple[dict[str, Tensor], ModelConfig]:
    """Read what ``save_safetensors`` wrote; floating tensors come as float32.

    Raises:
        ModelError: missing, broken, or without a model configuration.
    """
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise MissingExtraError("safetensors", "train") from error
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise ModelError(f"{path} does not exist") from error
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} is not a safetensors file: {error}") from error
    if "streamseg" not in metadata:
        raise ModelError(f"{path} was not written by streamseg: it holds no model configuration")
    try:
        config = ModelConfig.from_json(metadata["streamseg"])
    except ConfigError as error:
        raise ModelError(f"{path}: {error}; it needs another version of streamseg") from error
    return {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }, config


def with_class_names(
    weights: dict[str, Tensor], config: ModelConfig, class_names: Sequence[str]
) -> tuple[dict[str, Tensor], ModelConfig]:
    """Give a trained network other classes.

    Classes that it has by that name keep what it learned of them. The others start from what the
    trunk knows of them, and from a low score where it knows nothing.

    Args:
        weights: of the network.
        config: of the network.
        class_names: those it is to have.
    """
    if tuple(class_names) == config.class_names:
        return weights, config
    row_of = {plain_name(name): row for row, name in enumerate(config.class_names)}
    rows = [row_of.get(plain_name(name)) for name in class_names]
    weight, bias = weights["class_head.weight"], weights["class_head.bias"]
    new_weight = weight.new_zeros((len(rows), *weight.shape[1:]))
    # the prior of a trunk that detects holds the low score already
    new_bias = bias.new_full((len(rows),), 0.0 if "prior_scale" in weights else UNKNOWN_TO_TRUNK)
    thresholds = [DEFAULT_SCORE_THRESHOLD] * len(rows)
    for new, old in enumerate(rows):
        if old is not None:
            new_weight[new], new_bias[new] = weight[old], bias[old]
            if config.score_thresholds:
                thresholds[new] = config.score_thresholds[old]
    return (
        {**weights, "class_head.weight": new_weight, "class_head.bias": new_bias},
        replace(
            config,
            class_names=tuple(class_names),
            score_thresholds=tuple(thresholds) if config.score_thresholds else (),
        ),
    )


def network_from(weights: dict[str, Tensor], config: ModelConfig) -> Network:
    """Build the network of a configuration and give it weights.

    Raises:
        ModelError: the weights belong to another configuration or version.
    """
    network = Network(config)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = short_load_error(error)
        raise ModelError(
            f"weights do not fit the network of this version of streamseg: {reason}"
        ) from error
    return network


def short_load_error(error: Exception) -> str:
    """Shorten torch's message about tensors that do not fit to its first line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    more = f" (and {len(lines) - 2} more)" if len(lines) > 2 else ""
    return lines[:2][-1][:200] + more
