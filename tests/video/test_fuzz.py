"""Thousands of damaged files, in child processes: a crash of a decoder is not ours to survive."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import PIL.Image
import pytest
from media import noise, quadrants, write_video

CASES = 2000
PROCESSES = 2
MOST_MB = 64


def write_wholes(folder: Path) -> None:
    folder.mkdir()
    times = [index / 25 for index in range(8)]
    pictures = [quadrants(), noise()]
    write_video(folder / "a.mp4", times, pictures=pictures)
    write_video(folder / "turned.mp4", times, rotation=(90, False, False))
    write_video(folder / "fragments.mp4", times, movflags="frag_keyframe+empty_moov")
    write_video(folder / "a.mkv", times, pictures=pictures)
    write_video(folder / "old.mkv", times, codec="mpeg4")
    write_video(folder / "a.ts", times, pictures=pictures)
    write_video(folder / "mpeg2.ts", times, codec="mpeg2video", time_base=Fraction(1, 25))
    image = PIL.Image.fromarray(quadrants())
    exif = image.getexif()
    exif[0x0112] = 6  # turned
    image.save(folder / "a.jpg", exif=exif)
    image.save(folder / "fine.jpeg", exif=exif, progressive=True)


@pytest.mark.skipif(
    tuple(map(int, av.__version__.split(".")[:2])) < (18, 1),
    reason="FFmpeg before 8.1.2, which PyAV 18.1 brings, crashes on some of them",
)
def test_damaged_files_give_our_errors_and_leave_nothing_behind(tmp_path: Path) -> None:
    write_wholes(tmp_path / "wholes")
    script = Path(__file__).parents[1] / "support" / "fuzzed_media.py"
    each = CASES // PROCESSES
    children = [
        subprocess.Popen(
            [sys.executable, str(script), str(tmp_path / "wholes"), str(n * each), str(each)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for n in range(PROCESSES)
    ]
    told = [child.communicate() for child in children]
    for child, (_, said) in zip(children, told, strict=True):
        assert child.returncode == 0, said
    reports = [json.loads(out.splitlines()[-1]) for out, _ in told]
    assert sum(r["readable"] + r["refused"] for r in reports) == CASES
    # so that it is no test of refusals only, nor of harmless damage only
    assert min(sum(r[kind] for r in reports) for kind in ("readable", "refused")) > CASES / 10
    assert [r["more_files"] for r in reports] == [0] * PROCESSES
    assert max(r["more_mb"] for r in reports) < MOST_MB
