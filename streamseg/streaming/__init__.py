"""From sources to results: the iterator of results, its sources, and the frames in flight."""
