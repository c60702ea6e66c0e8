"""The files and words that ARCHITECTURE.md names exist; ``test_arrows`` holds its table."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_files_that_the_page_names_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"`((?:streamseg|kernels|tests)/[\w/]+(?:\.py)?)/?`", text))
    assert len(named) > 20
    for name in named:
        assert (ROOT / name).exists(), name
    for name, word in re.findall(r"`(streamseg/[\w/]+\.py)` \(`(\w+)`", text):
        assert word in (ROOT / name).read_text()
