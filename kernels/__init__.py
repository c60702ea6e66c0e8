"""The grouping ops.

``decode_scores`` (score and class of each pixel) → ``group_pixels`` (seeds and their masks) →
``choose_seeds`` (the seeds to keep: one of those with almost the same mask) →
``label_pixels`` (disjoint labels at frame size) → ``find_runs`` (masks as runs). The reference
takes numpy arrays, Triton takes CUDA tensors. The ops have no state and need no model.
"""

from streamseg.kernels.choose_seeds import choose_seeds
from streamseg.kernels.decode_scores import Scores, decode_scores
from streamseg.kernels.find_runs import Runs, find_runs
from streamseg.kernels.group_pixels import Groups, group_pixels
from streamseg.kernels.label_pixels import Labels, label_pixels

__all__ = [
    "Groups",
    "Labels",
    "Runs",
    "Scores",
    "choose_seeds",
    "decode_scores",
    "find_runs",
    "group_pixels",
    "label_pixels",
]
