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
    classes: int
    """C"""
    number: str
    """Type of the outputs: ``fp16`` or ``fp32``."""
    foreground_strides: tuple[int, int]
    """From one threshold and one pixel to the next, in values. Embeddings are [h, w, D]."""
    class_strides: tuple[int, int]
    """From one class and one pixel of the map of classes to the next."""

    @property
    def pixels(self) -> int:
        """Number of map pixels N."""
        return self.height * self.width

    @property
    def class_pixels(self) -> int:
        """Number of pixels of the map of classes, of half the size."""
        return (self.height + 1) // 2 * ((self.width + 1) // 2)


def network_shape(config: ModelConfig, size: tuple[int, int], number: str) -> MapShape:
    """What an exported network puts out for pictures of one size.

    Args:
        config: of the model.
        size: width and height of the picture in pixels.
        number: type of the outputs, ``fp16`` or ``fp32``.
    """
    width, height = (side // config.stride for side in size)
    pixels = height * width
    return MapShape(
        height=height,
        width=width,
        dims=config.embedding_dim,
        thresholds=len(config.taus),
        classes=len(config.class_names),
        number=number,
        foreground_strides=(pixels, 1),
        class_strides=(pixels // 4, 1),
    )
