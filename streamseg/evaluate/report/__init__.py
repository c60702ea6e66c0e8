"""Scores as a page of HTML with charts and images."""
