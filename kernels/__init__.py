"""The grouping ops.

``decode_scores`` (what is where, how sure) → ``group_pixels`` (seeds and their masks) →
``label_pixels`` (disjoint labels at frame size). All float32, no state, no model.
"""

from streamseg.kernels.decode_scores import Scores, decode_scores
from streamseg.kernels.group_pixels import Groups, group_pixels
from streamseg.kernels.label_pixels import Labels, label_pixels

__all__ = [
    "Groups",
    "Labels",
    "Scores",
    "decode_scores",
    "group_pixels",
    "label_pixels",
]
