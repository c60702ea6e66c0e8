"""What desk and vehicle agree on; it needs neither torch nor Triton nor CUDA."""
