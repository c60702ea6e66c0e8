"""Network output → segments: in numpy, or with kernels on a GPU."""
