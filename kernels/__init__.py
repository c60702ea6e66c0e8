"""The grouping ops.

``decode_scores`` (what is where, how sure) → ``group_pixels`` (seeds and their masks) →
``keep_visible`` (of masks that are much the same the surest) →
``label_pixels`` (disjoint labels at frame size) → ``find_runs`` (masks as runs). numpy arrays
take the reference, CUDA tensors Triton. No state, no model.
"""

from streamseg.kernels.decode_scores import Scores, decode_scores
from streamseg.kernels.find_runs import Runs, find_runs
from streamseg.kernels.group_pixels import Groups, group_pixels
from streamseg.kernels.keep_visible import keep_visible
from streamseg.kernels.label_pixels import Labels, label_pixels

__all__ = [
    "Groups",
    "Labels",
    "Runs",
    "Scores",
    "decode_scores",
    "find_runs",
    "group_pixels",
    "keep_visible",
    "label_pixels",
]
