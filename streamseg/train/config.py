"""Hyperparameters of a training run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from streamseg.config import SIZE_MULTIPLE
from streamseg.errors import ConfigError
from streamseg.parsing import parse_json

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "off", "bf16")


@dataclass(frozen=True)
class TrainConfig:
    """Hyperparameters. "Paper" marks values of Fathi et al. 2017; the others are our choice.

    Raises:
        ConfigError: a value is outside its range.
    """

    steps: int = 4000
    """Length of the run; the schedules of learning rate and λ stretch over it."""
    batch_size: int = 8
    """Images per step at the first of ``crop_sizes``."""
    crop_sizes: tuple[int, ...] = (320, 256, 448, 640)
    """Sides of the square training images in pixels, multiples of 32. A step's images have one
    size, drawn at random, and as many pixels together as those of the first size have."""
    seed: int = 0
    rotation_degrees: float = 10.0
    """Paper."""
    scale_range: tuple[float, float] = (0.5, 1.25)
    """Of the size at which the model sees the image when used. Paper: 0.7 to 1.5 of the
    image's own; smaller ones show more of a large object in a crop."""
    colour_jitter: float = 0.3
    copy_paste: float = 0.0
    """Share of the images that get objects of another one, see ``streamseg.train.copy_paste``."""
    min_instance_px: int = 3
    """Smaller instances, in feature-map pixels, are void."""
    points_per_instance: int = 16
    """Paper: 10. More points cost little and steady the gradient."""
    points_in_background: int = 48
    """Background covers most of an image and takes many shapes."""
    size_exponent: float = 0.5
    """Pair weights are (n_p·n_q)^-this; 1 leaves next to nothing for large objects."""
    good_iou: tuple[float, float] = (0.3, 0.8)
    """IoUs of a grown mask at which the target of its seed pixel is 0 and 1. Paper: 0.5 and 0.5, a
    threshold."""
    class_weight: float = 0.2
    """λ at the end. Paper."""
    class_weight_start: float = 0.05
    """Fraction of the run before which λ is 0."""
    class_weight_full: float = 0.3
    """Fraction of the run from which λ has its full value; in between it rises linearly."""
    semantic_weight: float = 1.0
    """Weight of the per-pixel class loss that helps the features; 0 keeps the paper's losses
    only."""
    mask_weight: float = 1.0
    """Weight of the overlap loss of softly grown masks, the paper's idea of differentiable growing;
    0 is off."""
    distillation_weight: float = 1.0
    """Weight of the loss that keeps a detecting trunk's knowledge of unlabelled classes; 0 is
    off."""
    learning_rate: float = 2e-3
    """Peak rate of all layers but the trunk."""
    trunk_weights: str = ""
    """File that a PicoDet trunk starts from, see ``streamseg.model.published.load_published``."""
    trunk_start: float = 0.0
    """Fraction of the run before which the trunk is frozen: steps are faster, and untrained heads
    do not disturb it."""
    trunk_learning_rate: float = 2e-4
    """The trunk is trained already and learns slower. Paper; the value is ours: at 1e-3 the trunk
    forgets so much that it takes cows for dogs."""
    initial_trunk_share: float = 0.0
    """Share of the trunk's initial weights in the exported weights, the rest is what was learned
    (Wortsman et al. 2022, arXiv 2109.01903): a trunk that has seen many images forgets less of
    them. For trunks that detect, with distillation."""
    weight_decay: float = 0.02
    """Of AdamW, for all layers."""
    warmup: float = 0.03
    """Fraction of the run over which the learning rate rises from 0."""
    decay: float = 0.65
    """Fraction of the run, at its end, over which the learning rate falls to 0."""
    clip_norm: float = 5.0
    """Largest norm of the gradient."""
    checkpoint_every: int = 250
    """Steps between checkpoints, and between validations."""
    validation_images: int = 100
    """The most images of ``--val`` that are scored at every checkpoint; the weights that score best
    are exported. 0: they are only shown, and the last weights are exported."""
    patience: int = 0
    """Validations in a row without a better score after which the run ends; 0 is off."""
    device: str = "auto"
    """``auto`` takes a CUDA GPU if there is one; ``cuda`` without one is an error."""
    mixed_precision: str = "auto"
    """``bf16``, ``off`` or ``auto`` (bf16 on GPUs that support it). Heads and losses are
    float32."""
    ema_decay: float = 0.998
    """Decay of the moving average of the weights, which is exported; 0 is off."""
    keep_classes: bool = False
    """Teach the classes of the initial model too; without one, those that its trunk detects. Those
    that no data set labels stay as they are: unknown, not background."""
    balance: float = 0.5
    """Classes and data sets are drawn by the number of their images to this power."""

    def __post_init__(self) -> None:
        """Check the ranges of all values."""
        for name in (
            "steps",
            "batch_size",
            "min_instance_px",
            "points_per_instance",
            "checkpoint_every",
        ):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in (
            "patience",
            "validation_images",
            "seed",
            "rotation_degrees",
            "points_in_background",
            "size_exponent",
            "class_weight",
            "class_weight_start",
            "semantic_weight",
            "mask_weight",
            "distillation_weight",
            "trunk_start",
            "weight_decay",
            "balance",
        ):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"{name} must not be negative, got {getattr(self, name)}")
        for name in ("warmup", "decay", "learning_rate", "trunk_learning_rate", "clip_norm"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be above 0, got {getattr(self, name)}")
        if not self.class_weight_start < self.class_weight_full:
            raise ConfigError(
                f"class_weight_full must be above class_weight_start, got "
                f"{self.class_weight_full} and {self.class_weight_start}"
            )
        if len(self.scale_range) != 2 or not 0 < self.scale_range[0] <= self.scale_range[1]:
            raise ConfigError(f"scale_range must be two rising scales, got {self.scale_range}")
        if len(self.good_iou) != 2 or not 0 <= self.good_iou[0] <= self.good_iou[1] <= 1:
            raise ConfigError(f"good_iou must be two rising IoUs, got {self.good_iou}")
        for name in ("colour_jitter", "copy_paste", "initial_trunk_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} must lie in 0 to 1, got {getattr(self, name)}")
        if not 0 <= self.ema_decay < 1:
            raise ConfigError(f"ema_decay must be below 1 and not negative, got {self.ema_decay}")
        for name, allowed in (("device", DEVICES), ("mixed_precision", PRECISIONS)):
            if getattr(self, name) not in allowed:
                raise ConfigError(
                    f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}"
                )
        if not self.crop_sizes or any(
            size < SIZE_MULTIPLE or size % SIZE_MULTIPLE for size in self.crop_sizes
        ):
            raise ConfigError(
                f"crop_sizes must be multiples of {SIZE_MULTIPLE}, got {self.crop_sizes}"
            )

    def batch_size_at(self, size: int, processes: int = 1) -> int:
        """Images per step of side ``size``: a multiple of the processes that share them."""
        ratio = self.crop_sizes[0] / size
        return processes * max(1, round(self.batch_size * ratio * ratio / processes))

    def learning_rate_factor(self, step: int) -> float:
        """Trapezoid: rises, stays flat, falls to 0. The flat part allows prolonging a run."""
        done = (step + 1) / self.steps
        return min(1.0, done / self.warmup, (1 - step / self.steps) / self.decay)

    def class_weight_at(self, step: int) -> float:
        """λ of equation (10) at a step."""
        span = self.class_weight_full - self.class_weight_start
        done = (step / self.steps - self.class_weight_start) / span
        return self.class_weight * min(1.0, max(0.0, done))

    def to_json(self) -> str:
        """The configuration as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> TrainConfig:
        """Read back what ``to_json`` wrote.

        Raises:
            ConfigError: not JSON, unknown keys, or values that are not allowed.
        """
        return parse_json(cls, text, "training config")
