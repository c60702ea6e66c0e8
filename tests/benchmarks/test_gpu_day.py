"""The script for a day with a GPU goes on after failures and says what happened."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks.gpu_day import __main__ as gpu_day
from benchmarks.gpu_day.parts import Part, all_parts
from benchmarks.gpu_day.report import tables

FIGURES = {
    "grouping": {
        "group_pixels": [
            {
                "map": [128, 256],
                "dims": 64,
                "seeds": 100,
                "ms": {
                    "ours": {"p20": 0.4, "median": 0.5, "p80": 0.6},
                    "torch loop": {"p20": 14, "median": 15, "p80": 16},
                },
                "floor_ms": 0.25,
            }
        ],
        "frames": [
            {
                "map": [96, 160],
                "dims": 32,
                "instances": 7,
                "ms": {"launch by launch": {"p20": 0.2, "median": 0.3, "p80": 0.4}},
            }
        ],
    }
}


def python(name: str, code: str, limit_s: float = 60, *, junit: bool = False) -> Part:
    command = (sys.executable, "-c", code)
    return Part(name, limit_s, (), command, junit=junit)


SUITE = "import sys; open(sys.argv[1].partition('=')[2], 'w').write('{}')"
XML = '<testsuites><testsuite tests="{}" skipped="{}"/></testsuites>'


def suite(tests: int, skipped: int) -> str:
    return SUITE.format(XML.format(tests, skipped).replace('"', '\\"'))


def test_it_goes_on_after_a_failed_part_and_ends_with_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.dumps(FIGURES)
    parts = [
        python("tests", "raise SystemExit(3)"),
        python("kernel times", f"print('a table'); print({document!r})"),
        Part("memcheck", 60, (), ("no-such-tool",)),
        python("some skipped", suite(5, 2), junit=True),
        python("all ran", suite(5, 0), junit=True),
        python("none ran", suite(0, 0), junit=True),
    ]
    monkeypatch.setattr(gpu_day, "all_parts", lambda folder: parts)
    assert gpu_day.main(["--rehearse", "--out", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    for said in ("exit code 3", "no-such-tool is not installed", "2 of 5 tests were skipped"):
        assert said in printed
    report = (tmp_path / "gpu.md").read_text()
    assert "Rehearsal without a GPU" in report
    assert "| all ran | passed |" in report
    assert "| none ran | failed | 0 | no test ran |" in report
    assert "| 128×256 | 64 | 100 | 0.500 (0.400 to 0.600) | 2.0× | 30.0× | - | - |" in report
    assert "| 96×160 | 32 | 7 | 0.300 (0.200 to 0.400) | - |" in report
    assert json.loads((tmp_path / "figures.json").read_text()) == FIGURES
    assert "torch" in json.loads((tmp_path / "machine.json").read_text())


def test_a_part_that_hangs_is_stopped_and_the_rest_is_skipped_when_time_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hangs = "import time; print('started', flush=True); time.sleep(60)"
    parts = [python("hangs", hangs), python("late", "")]
    monkeypatch.setattr(gpu_day, "all_parts", lambda folder: parts)
    monkeypatch.setattr(gpu_day, "ENOUGH_S", 1)
    arguments = ["--rehearse", "--out", str(tmp_path), "--minutes", "0.05"]
    assert gpu_day.main(arguments) == 1
    printed = capsys.readouterr().out
    assert "stopped after 3 s" in printed
    assert "no time left" in printed
    assert (tmp_path / "hangs.log").read_text() == "started\n"


def test_the_folder_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_day, "LARGEST_FOLDER", 100)
    for name, length in (("a", 40), ("b", 80), ("c", 50)):
        (tmp_path / name).write_bytes(b"x" * length)
    gpu_day.shrink(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "c"}


def test_no_gpu_is_said_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SystemExit):
        gpu_day.main(["--out", str(tmp_path / "out")])
    assert "--rehearse runs what needs none" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_all_parts_fit_into_their_time_and_name_files_that_exist(tmp_path: Path) -> None:
    parts = all_parts(tmp_path)
    assert len({part.name for part in parts}) == len(parts)
    root = Path(__file__).parents[2]
    for part in parts:
        for word in (*part.command, *part.rehearsal):
            assert not word.startswith("tests/") or (root / word).exists(), word


def test_a_report_without_figures_says_what_ran() -> None:
    assert "| tests | failed | 9 | exit code 1 |" in tables(
        {"gpu": "a GPU"}, {}, "", [("tests", "failed", 9.0, "exit code 1")]
    )
