"""The configuration of a model: everything that changes its arrays; saved with its weights."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Final

from streamseg.classes import COCO_CLASSES, MOST_CLASSES, Classes, distinct, select_classes
from streamseg.errors import ConfigError, InputError
from streamseg.parsing import parse_json

SIZE_MULTIPLE = 32
"""Network inputs are multiples of this many pixels, the stride of the trunk's last stage."""
STRIDE = 4
"""Input pixels per feature-map pixel."""

DEFAULT_SCORE_THRESHOLD: Final = 0.5
"""Least score of an instance whose class has no threshold of its own."""
CONTINUING_SCORE: Final = 0.35
"""Least score of an instance that continues a track, where its class has a higher threshold."""


@dataclass(frozen=True)
class ModelConfig:
    """Shape and preprocessing of a model.

    Raises:
        ConfigError: a value is outside its range.
    """

    trunk: str = "picodet-s"
    """``picodet-s``, ``-m``, ``-l``, ``lite``, ``deeplab`` (the paper's), or the name of any timm
    backbone with features at strides 4, 8, 16 and 32."""
    pyramid: tuple[float, ...] = (1.0,)
    """Scales of the image that the network sees, in quarters; their features are averaged.
    Paper: 0.25, 0.5, 1, 2."""
    embedding_dim: int = 32
    """D, numbers per pixel embedding."""
    neck_channels: int = 96
    """Width of the feature pyramid at strides 8 to 32."""
    head_channels: int = 48
    """Width at stride 4, where every channel costs most."""
    stride: int = STRIDE
    """Input pixels per feature-map pixel; the network supports 4 only."""
    taus: tuple[float, ...] = (0.25, 0.5, 0.75, 0.9)
    """Similarity thresholds, one classifier each, rising."""
    class_names: tuple[str, ...] = COCO_CLASSES
    """Class k is ``class_names[k-1]``; 0 is background."""
    score_thresholds: tuple[float, ...] = ()
    """Least score, 0..1, of an instance of each class, in the order of ``class_names``; empty if
    the model has no thresholds of its own. In video, less is enough to continue a track:
    ``CONTINUING_SCORE``."""
    pixel_mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    """RGB, in grey levels 0..255; part of the exported graph."""
    pixel_std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    """RGB, in grey levels; part of the exported graph."""
    coordinate_scale_px: float = 128.0
    """Input pixels from the centre that make 1.0 in the coordinate channels."""
    max_pixels: int = 576 * 320
    """Images are resized to at most this many pixels (see ``input_size``)."""

    def __post_init__(self) -> None:
        """Check every range."""
        for name in ("embedding_dim", "neck_channels", "head_channels"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.stride != STRIDE:
            raise ConfigError(f"stride must be {STRIDE}, got {self.stride}")
        if not self.pyramid or any(
            scale <= 0 or not float(4 * scale).is_integer() for scale in self.pyramid
        ):
            raise ConfigError(f"pyramid must be positive multiples of 0.25, got {self.pyramid}")
        if not self.taus or any(not 0 < tau < 1 for tau in self.taus):
            raise ConfigError(f"taus must lie between 0 and 1, got {self.taus}")
        if list(self.taus) != sorted(set(self.taus)):
            raise ConfigError(f"taus must be in increasing order, got {self.taus}")
        if isinstance(self.class_names, str) or not self.class_names:
            raise ConfigError(f"class_names must name at least one class, got {self.class_names!r}")
        if len(self.class_names) > MOST_CLASSES:
            raise ConfigError(
                f"class_names must have at most {MOST_CLASSES} names, got {len(self.class_names)}; "
                f"join or leave out some in [classes]"
            )
        if len(distinct(self.class_names)) < len(self.class_names):
            twice = [name for name in self.class_names if name not in distinct(self.class_names)]
            raise ConfigError(
                f"class_names must differ in more than spelling, got {twice or 'one'} twice"
            )
        thresholds = self.score_thresholds
        if thresholds and len(thresholds) != len(self.class_names):
            raise ConfigError(
                f"score_thresholds must have {len(self.class_names)} values, one for each class, "
                f"got {len(thresholds)}"
            )
        if any(not 0 <= threshold <= 1 for threshold in thresholds):
            raise ConfigError(f"score_thresholds must lie between 0 and 1, got {thresholds}")
        for name in ("pixel_mean", "pixel_std"):
            values = getattr(self, name)
            if len(values) != 3 or not all(math.isfinite(value) for value in values):
                raise ConfigError(f"{name} must be three numbers, got {values}")
        if min(self.pixel_std) <= 0:
            raise ConfigError(f"pixel_std must be above 0, got {self.pixel_std}")
        if not self.coordinate_scale_px > 0:
            raise ConfigError(
                f"coordinate_scale_px must be above 0, got {self.coordinate_scale_px}"
            )
        if self.max_pixels < SIZE_MULTIPLE**2:
            raise ConfigError(
                f"max_pixels must be at least {SIZE_MULTIPLE**2}, got {self.max_pixels}"
            )

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        """The size of the network input for an image, which is neither padded nor cropped.

        Both sides are multiples of ``SIZE_MULTIPLE``. Candidates have at most ``max_pixels`` and
        distort the aspect by at most 5 %, or by at most 2 % more than the best size does,
        whichever is more. The largest candidate is taken.

        Args:
            width: of the image in pixels.
            height: of the image in pixels.

        Returns:
            Width and height of the network input in pixels.

        Raises:
            InputError: the image has no pixels.

        >>> ModelConfig().input_size(1280, 720)
        (576, 320)
        """
        if width < 1 or height < 1:
            raise InputError(f"an image has at least one pixel, got {width}x{height}")
        columns, rows = _grid(self.max_pixels // SIZE_MULTIPLE**2, width, height)
        return columns * SIZE_MULTIPLE, rows * SIZE_MULTIPLE

    def select(self, classes: Classes | None) -> tuple[ModelConfig, list[int]]:
        """The configuration for some of the classes.

        Args:
            classes: see ``select_classes``; all if None.

        Returns:
            A configuration with these ``class_names`` and their ``score_thresholds``, and the
            position of each class in this configuration.

        Raises:
            ConfigError: see ``select_classes``.
        """
        names, rows = select_classes(self.class_names, classes)
        thresholds = tuple(self.score_thresholds[row] for row in rows if self.score_thresholds)
        return replace(self, class_names=names, score_thresholds=thresholds), rows

    def to_json(self) -> str:
        """The configuration as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ModelConfig:
        """Read back what ``to_json`` wrote.

        Raises:
            ConfigError: the text is not JSON, or has unknown keys or values that are not allowed.
        """
        return parse_json(cls, text, "model config")


@lru_cache(maxsize=256)  # called for every frame of a video, and takes about a millisecond
def _grid(budget: int, width: int, height: int) -> tuple[int, int]:
    """Columns and rows of a network input, in units of ``SIZE_MULTIPLE``, at most ``budget``."""
    sizes = [(columns, budget // columns) for columns in range(1, budget + 1)]
    sizes = [(columns, rows) for columns, most in sizes for rows in range(1, most + 1)]

    def distortion(size: tuple[int, int]) -> float:
        ratio = size[0] * height / (size[1] * width)
        return max(ratio, 1 / ratio)

    least = min(map(distortion, sizes))
    near = [size for size in sizes if distortion(size) <= max(1.05, 1.02 * least)]
    return max(near, key=lambda size: (size[0] * size[1], -distortion(size)))
