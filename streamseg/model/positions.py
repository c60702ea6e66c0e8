"""Where a pixel lies, and its object: maps that the heads get beside the features."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from streamseg.config import ModelConfig
from streamseg.model.prior import Prior


def position_maps(
    features: Tensor, prior: Prior | None, centres: Tensor | None, config: ModelConfig
) -> Tensor:
    """Where every pixel lies, and, from a trunk that detects, its object.

    Distances are in units of ``coordinate_scale_px``, not in image widths, so that two alike
    objects lie as far apart in a large image as in a small one.

    Args:
        features: [B, head_channels, h, w].
        prior: detections of the trunk.
        centres: [B, 2] or None, see ``Network.heads``.
        config: of the model.

    Returns:
        [B or 1, 2 or 7, h, w]: x and y from the image's centre; x and y of the object's centre,
        logarithms of its width and height, the score of its class.
    """
    scale = config.coordinate_scale_px
    here = coordinates(features, config)
    offset = None if centres is None else centres[:, :, None, None] / scale
    if offset is not None:
        here = here + offset
    if prior is None:
        return here
    centre, size = prior.box.split(2, 1)
    centre = centre / scale
    if offset is not None:
        centre = centre + offset
    size = (size.clamp(min=1.0) / scale).log()
    detected = torch.cat((centre, size, prior.score), 1)
    detected = functional.interpolate(detected, scale_factor=2.0, mode="bilinear")
    return torch.cat((here.expand(len(detected), -1, -1, -1), detected.to(here.dtype)), 1)


def coordinates(features: Tensor, config: ModelConfig) -> Tensor:
    """Distance from the map's centre, x then y, [1, 2, h, w].

    They are computed in float32, and then cast to the dtype of the features. In float16 or
    bfloat16, neighbouring rows of a large map may get the same value.
    """
    height, width = features.shape[2:]
    step = config.stride / config.coordinate_scale_px
    rows = torch.arange(height, dtype=torch.float32, device=features.device)
    columns = torch.arange(width, dtype=torch.float32, device=features.device)
    y = (rows - (height - 1) / 2).mul(step).view(1, 1, height, 1)
    x = (columns - (width - 1) / 2).mul(step).view(1, 1, 1, width)
    shape = (1, 1, height, width)
    return torch.cat((x.expand(shape), y.expand(shape)), dim=1).to(features.dtype)
