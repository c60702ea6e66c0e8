"""The release format, shared by export and vehicle; needs neither torch nor Triton nor CUDA."""
