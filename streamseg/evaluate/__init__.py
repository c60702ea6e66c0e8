"""Scores against ground truth: numpy only, so that a trained model is judged without torch."""
