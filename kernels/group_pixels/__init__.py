"""Embeddings and seediness → diverse seeds and the mask of each."""

from streamseg.kernels.group_pixels.reference import Groups, group_pixels

__all__ = ["Groups", "group_pixels"]
