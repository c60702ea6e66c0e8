"""Embeddings and seeds → disjoint labels at frame size."""

from streamseg.kernels.label_pixels.reference import Labels, label_pixels

__all__ = ["Labels", "label_pixels"]
