"""Trained weights → files that other machines run (extra ``export``)."""
