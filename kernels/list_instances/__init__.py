"""Labels of a frame → the list of its instances, on a GPU.

The reference is the end of ``find_segments`` of ``streamseg.grouping.cpu``.
"""
