from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamseg.train.metrics import open_log


def lines(steps: range) -> str:
    return "".join(json.dumps({"step": step, "loss": 1.0}) + "\n" for step in steps)


@pytest.mark.parametrize(
    "old",
    [
        lines(range(7)),
        lines(range(7)) + '{"step": 7, "lo',
        lines(range(4)),
        lines(range(4)).rstrip("\n"),
        lines(range(4)) + "\n[]\nnull\n",
    ],
    ids=["ahead", "torn", "exact", "no line end", "nonsense"],
)
def test_a_log_goes_on_where_the_checkpoint_is(old: str, tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(old)
    with open_log(path, 4) as log:
        log.write(lines(range(4, 5)))
    assert path.read_text() == lines(range(5))
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_log_is_empty(tmp_path: Path) -> None:
    open_log(tmp_path / "metrics.jsonl", 0).close()
    assert (tmp_path / "metrics.jsonl").read_text() == ""
