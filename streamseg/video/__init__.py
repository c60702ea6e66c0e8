"""Video in and video out: sources of frames, decoding ahead, the overlay file."""
