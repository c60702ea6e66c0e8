"""Read and write video: sources of frames, prefetching, the encoder of annotated video."""
