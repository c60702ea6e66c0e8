"""Time the ops and a frame's grouping: ``python -m benchmarks.kernels``."""
