"""Arrays, grid and constants of a launch of ``decode_scores``."""

from __future__ import annotations

from typing import Final

from streamseg.kernels.launch import NETWORK, Launch, cdiv, power_of_two

POINTERS: Final = {
    "foreground": NETWORK,
    "classes": NETWORK,
    "seediness": "fp32",
    "tau_index": "u8",
    "class_id": "u16",
}
MOST_AT_ONCE: Final = 128
"""A program reads up to this many classes at once; of more, ``AT_ONCE`` in a loop."""
AT_ONCE: Final = 32
"""With 128, the loop spills registers in some layouts."""


def decode_scores_launch(
    thresholds: int,
    classes: int,
    size: tuple[int, int],
    foreground_strides: tuple[int, int],
    class_strides: tuple[int, int],
) -> Launch:
    """Make the launch for foreground [T, h·w] and classes [C, ceil(h/2)·ceil(w/2)].

    Args:
        thresholds: T.
        classes: C.
        size: h and w.
        foreground_strides: from one threshold and one pixel to the next, in values.
        class_strides: from one class and one pixel to the next, in values.
    """
    height, width = size
    block = 128  # pixels of a program, one per thread
    return Launch(
        "decode_scores",
        (cdiv(height * width, block), 1),
        POINTERS,
        {
            "pixels": height * width,
            "width": width,
            "foreground_stride_tau": foreground_strides[0],
            "foreground_stride_pixel": foreground_strides[1],
            "class_stride_class": class_strides[0],
            "class_stride_pixel": class_strides[1],
        },
        {
            "THRESHOLDS": thresholds,
            "CLASSES": classes,
            "CLASSES_AT_ONCE": power_of_two(classes) if classes <= MOST_AT_ONCE else AT_ONCE,
            "BLOCK": block,
        },
    )
