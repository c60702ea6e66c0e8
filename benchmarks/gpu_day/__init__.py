"""One command for a machine with a GPU: ``scripts/gpu_day``."""
