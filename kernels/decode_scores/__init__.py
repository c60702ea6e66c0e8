"""Classification logits → seediness, threshold and class of every pixel."""

from streamseg.kernels.decode_scores.reference import Scores, decode_scores

__all__ = ["Scores", "decode_scores"]
