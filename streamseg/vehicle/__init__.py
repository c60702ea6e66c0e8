"""Run a release with TensorRT, without torch and Triton."""
