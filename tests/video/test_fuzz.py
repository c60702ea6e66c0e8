"""Thousands of damaged files, in child processes: a crash of a decoder is not ours to survive."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import PIL.features
import PIL.Image
import pytest
from media import noise, quadrants, write_sounding_video, write_video
from recorded_drives import (
    compressed_shot,
    raw_shot,
    stamps,
    video_shots,
    write_foxglove,
    write_foxglove_json,
    write_ros,
)
from tiled_avif import write_tiled_avif

CASES = 2000
PROCESSES = 2
MOST_MB = 64


def write_wholes(folder: Path) -> None:
    folder.mkdir()
    times = [index / 25 for index in range(8)]
    images = [quadrants(), noise()]
    write_video(folder / "a.mp4", times, images=images)
    write_video(folder / "turned.mp4", times, rotation=(90, False, False))
    write_video(folder / "fragments.mp4", times, movflags="frag_keyframe+empty_moov")
    write_video(folder / "a.mkv", times, images=images)
    write_video(folder / "old.mkv", times, codec="mpeg4")
    write_video(folder / "a.ts", times, images=images)
    write_video(folder / "mpeg2.ts", times, codec="mpeg2video", time_base=Fraction(1, 25))
    write_video(folder / "a.webm", times, codec="libvpx", time_base=Fraction(1, 1000), live="1")
    write_video(
        folder / "a.mjpeg", times, codec="mjpeg", pix_fmt="yuvj420p", time_base=Fraction(1, 25)
    )
    write_sounding_video(folder / "sound.flv", "aac", video_codec="flv", rate=44100)
    first = (folder / "a.ts").read_bytes()
    (folder / "joined.ts").write_bytes(first + first)
    image = PIL.Image.fromarray(quadrants())
    turned = [image.rotate(180)]
    for name in ("pages.tif", "pages.webp", "pages.png"):
        image.save(folder / name, save_all=True, append_images=turned)
    PIL.Image.fromarray(np.full((8, 8), 4000, np.uint16)).save(folder / "deep.tif")
    PIL.Image.fromarray(np.full((8, 8), 0.5, np.float32)).save(folder / "float.tif")
    if PIL.features.check("avif"):
        write_tiled_avif(folder / "tiled.avif", quadrants(256, 128), 2)
        write_tiled_avif(folder / "tiled.heic", quadrants(256, 128), 2)
    exif = image.getexif()
    exif[0x0112] = 6  # turned
    image.save(folder / "a.jpg", exif=exif)
    image.save(folder / "fine.jpeg", exif=exif, progressive=True)
    write_drives(folder)


def write_drives(folder: Path) -> None:
    images, times = [quadrants(), noise()] * 4, stamps(8)
    video = video_shots("/camera", "h264", images, times)
    write_foxglove(folder / "video.mcap", video, chunk_size=10_000)
    raw = [
        raw_shot("/camera", "sensor_msgs/Image", stamp_ns, "bgr8", image)
        for stamp_ns, image in zip(times, images, strict=True)
    ]
    jpegs = [
        compressed_shot("/camera", "foxglove.CompressedImage", stamp_ns, "jpeg", image)
        for stamp_ns, image in zip(times, images, strict=True)
    ]
    write_foxglove_json(folder / "json.mcap", jpegs)
    write_ros(folder / "a.bag", raw, "ros1", chunk_size=10_000)
    for storage in ("mcap", "sqlite3"):
        bag = write_ros(folder / storage, raw, storage)
        (held,) = (path for path in bag.iterdir() if path.suffix != ".yaml")
        held.rename(folder / held.name)
        shutil.rmtree(bag)


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
