"""Making glibc keep the memory that a CPU step frees.

By default glibc's ``malloc`` gives every large block back to the kernel as soon as it is freed. A
training step allocates the same tensors again and again, and each time the kernel has to hand out
zeroed pages one fault after the other, which cost a quarter of a step.
"""

from __future__ import annotations

import ctypes

# glibc's malloc.h
M_TRIM_THRESHOLD = -1
M_TOP_PAD = -2
M_MMAP_MAX = -4
TOP_PAD_BYTES = 256 << 20


def keep_freed_memory() -> bool:
    """Never give freed memory back, and grow the heap in large strides; for this whole process.

    Returns:
        False where the C library is another one: nothing is changed then.
    """
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018  (musl has a mallopt of another kind)
        mallopt = library.mallopt
    except (OSError, TypeError, AttributeError):
        return False
    settings = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, -1), (M_TOP_PAD, TOP_PAD_BYTES))
    return all(mallopt(parameter, value) for parameter, value in settings)
