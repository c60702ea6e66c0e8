"""From a network's output to segments: in numpy, or as launches on a GPU."""
