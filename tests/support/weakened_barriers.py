"""Stand-ins for ``exchange_keys`` of ``group_pixels`` that do not keep programs together."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def meet_without_waiting(key, keys, arrivals, programs):
    tl.atomic_max(keys, key, sem="relaxed")
    tl.atomic_add(arrivals, 1, sem="acq_rel")
    return tl.atomic_add(keys, 0, sem="acquire")


@triton.jit
def meet_one_short(key, keys, arrivals, programs):
    tl.atomic_max(keys, key, sem="relaxed")
    tl.atomic_add(arrivals, 1, sem="acq_rel")
    while tl.atomic_add(arrivals, 0, sem="acq_rel") < programs - 1:
        pass
    return tl.atomic_add(keys, 0, sem="acquire")


@triton.jit
def meet_with_a_plain_maximum(key, keys, arrivals, programs):
    tl.store(keys, tl.maximum(tl.load(keys), key))
    tl.atomic_add(arrivals, 1, sem="acq_rel")
    while tl.atomic_add(arrivals, 0, sem="acq_rel") < programs:
        pass
    return tl.atomic_add(keys, 0, sem="acquire")


@triton.jit
def meet_with_a_plain_arrival(key, keys, arrivals, programs):
    tl.atomic_max(keys, key, sem="relaxed")
    tl.store(arrivals, tl.load(arrivals) + 1)
    while tl.atomic_add(arrivals, 0, sem="acq_rel") < programs:
        pass
    return tl.atomic_add(keys, 0, sem="acquire")
