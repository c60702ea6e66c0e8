"""The shape of what a network puts out for a picture."""

from __future__ import annotations

from dataclasses import dataclass

from streamseg.config import ModelConfig


@dataclass(frozen=True)
class MapShape:
    """What a network puts out for a picture."""

    height: int
    """h"""
    width: int
    """w"""
    dims: int
    """D"""
    thresholds: int
    """T"""
    channels: int
    """C + 1"""
    number: str
    """Type of embeddings and logits: ``fp16`` or ``fp32``."""
    logit_strides: tuple[int, int, int]
    """From one threshold, class and pixel to the next, in numbers. Embeddings are [h, w, D]."""

    @property
    def pixels(self) -> int:
        """Number of map pixels N."""
        return self.height * self.width


def network_shape(config: ModelConfig, size: tuple[int, int], number: str) -> MapShape:
    """What an exported network puts out for pictures of one size.

    Args:
        config: of the model.
        size: width and height of the picture in pixels.
        number: type of the outputs, ``fp16`` or ``fp32``.
    """
    width, height = (side // config.stride for side in size)
    channels = len(config.class_names) + 1
    return MapShape(
        height=height,
        width=width,
        dims=config.embedding_dim,
        thresholds=len(config.taus),
        channels=channels,
        number=number,
        logit_strides=(channels * height * width, height * width, 1),
    )
