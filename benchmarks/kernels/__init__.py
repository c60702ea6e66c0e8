"""Time the ops and the grouping of a frame: ``python -m benchmarks.kernels``."""
