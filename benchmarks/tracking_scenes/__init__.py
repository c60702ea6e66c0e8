"""Synthetic clips with known tracks, and the scores of trackers on them."""
