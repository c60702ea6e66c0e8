"""The mean embedding of each label."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


def mean_embeddings(
    embeddings: NDArray[np.float32], label_map: NDArray[np.uint16], seed_index: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Average the embeddings of each label's map pixels.

    A map pixel has the label of the first frame pixel at or after its centre, if that lies before
    the centre of the next map pixel. Otherwise, as in frames smaller than the map, it has none.

    Args:
        embeddings: float32 [D, h, w].
        label_map: uint16 [H, W], 0 background, k the k-th seed.
        seed_index: int32 [K], flat map pixel index of each seed.

    Returns:
        float32 [K, D]; the seed's embedding for a label without map pixels.
    """
    _, map_height, map_width = embeddings.shape
    map_y, frame_y = _first_lines(map_height, label_map.shape[0])
    map_x, frame_x = _first_lines(map_width, label_map.shape[1])
    label = np.zeros((map_height, map_width), np.uint16)
    label[map_y[:, None], map_x] = label_map.take(frame_y, axis=0).take(frame_x, axis=1)

    # sorted by label, the map pixels of each label are one run and are summed at once
    labelled = np.flatnonzero(label)
    labelled = labelled[np.argsort(label.flat[labelled], kind="stable")]
    found, start, members = np.unique(label.flat[labelled], return_index=True, return_counts=True)
    pixels = embeddings.reshape(len(embeddings), -1)
    means: NDArray[np.float32] = pixels.take(seed_index, axis=1).T.copy()
    if len(found):
        sums = np.add.reduceat(pixels.take(labelled, axis=1), start, axis=1)
        means[found.astype(np.intp) - 1] = (sums / members).T
    return means


@lru_cache(maxsize=16)
def _first_lines(map_size: int, frame_size: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find the map lines that have a frame line, and the first one of each.

    Frame line X is at (2X + 1) * map / (2 * frame) - 1/2 on the map; computed in integers.
    """
    centre = (2 * np.arange(map_size + 1) + 1) * frame_size - map_size
    first = np.maximum(-(-centre // (2 * map_size)), 0)
    has_one = np.flatnonzero((first[:-1] < first[1:]) & (first[:-1] < frame_size))
    return has_one, first[has_one]
