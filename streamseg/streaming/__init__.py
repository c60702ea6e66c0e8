"""From sources to results: the generator, its sources, and the work on the frames in flight."""
