from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# tensors of the size of a step's, allocated and freed again and again: glibc gives blocks above
# 32 MiB back every time, smaller ones now and then
CODE = """
import resource, sys, torch
from streamseg.train.malloc import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def step():
    kept = [torch.ones(1 << 24) for _ in range(2)]
for _ in range(12):  # until the heap has grown as far as it has to
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc alone is tuned")
def test_freed_memory_is_used_again_without_page_faults() -> None:
    def page_faults(mode: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", CODE, mode], capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    usual, kept = page_faults("usual"), page_faults("keep")
    assert kept < usual / 10
