from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from media import quadrants, write_video

from streamseg.errors import InputError, SourceError
from streamseg.video import containers
from streamseg.video.base import Source
from streamseg.video.images import ImageSource
from streamseg.video.options import SourceOptions
from streamseg.video.recordings.paths import split_topic
from streamseg.video.source import open_source
from streamseg.video.test_pattern import PatternSource


def test_importing_it_does_not_load_pyav() -> None:
    code = (
        "import sys, streamseg.video.source, streamseg.video.prefetch; print('av' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_each_kind_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    video = write_video(tmp_path / "clip.mp4")
    folder = tmp_path / "0017"  # a folder of digits is no camera
    folder.mkdir()
    PIL.Image.fromarray(quadrants()).save(folder / "[1].PNG")
    for source in (video, str(video), "clip.mp4", Path("clip.mp4")):
        assert open_source(source).frame_count == 25
    for image in ("0017", folder, "0017/[1].PNG", "*/*.PNG"):
        opened = open_source(image)
        assert isinstance(opened, ImageSource)
        assert opened.frame_count == 1
    assert isinstance(open_source("test-pattern:"), PatternSource)


def test_paths_that_cannot_be_looked_at_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "x" * 300
    for source in (long, f"./{long}/clip.mp4", f"~/{long}", f"file:///{long}", Path(long)):
        with pytest.raises(SourceError, match=r"cannot read .*x.*: File name too long"):
            open_source(source)
    assert split_topic(long) is None

    def refuse(folder: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(SourceError, match=f"cannot read {tmp_path}: Permission denied"):
        open_source(tmp_path)
    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(SourceError, match=r"cannot read .*clip.mp4: Permission denied"):
        open_source(tmp_path / "clip.mp4")


@pytest.mark.parametrize("source", [3, "3", "/dev/video3"])
def test_cameras_by_index_and_device(source: str | int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def open_camera(*given: Any) -> Source:
        asked.append(given)
        return PatternSource("test-pattern:")

    monkeypatch.setattr(containers, "open_camera", open_camera)
    options = SourceOptions(size=(1280, 720), rate=30)
    open_source(source, options)
    assert asked == [("/dev/video3", options)]


def test_urls_come_with_their_options(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def open_url(*given: Any) -> Source:
        asked.append(given)
        return PatternSource("test-pattern:")

    monkeypatch.setattr(containers, "open_url", open_url)
    options = SourceOptions(timeout_seconds=3)
    open_source("rtsp://camera/1", options)
    assert asked == [("rtsp://camera/1", options)]


class BytesPath:
    def __fspath__(self) -> bytes:
        return b"clip.mp4"


@pytest.mark.parametrize("source", [True, 1.5, None, b"clip.mp4", BytesPath(), ["a.mp4"]])
def test_other_types_are_refused(source: Any) -> None:
    with pytest.raises(InputError, match="a path, a URL or a camera's index, got"):
        open_source(source)


@pytest.mark.parametrize("source", ["", -1])
def test_values_that_name_nothing_are_refused(source: str | int) -> None:
    with pytest.raises(InputError):
        open_source(source)


@pytest.mark.parametrize("source", ["nowhere.mp4", "no/where/", Path("nowhere.png")])
def test_a_missing_path_is_named(source: str | Path) -> None:
    with pytest.raises(SourceError, match=r"no such file or folder: no.*\(looked in /"):
        open_source(source)


@pytest.mark.parametrize("name", ["d [2024]", "what?", "a*b", "[x]/[y]"])
def test_a_folder_may_be_called_like_a_pattern(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir(parents=True)
    PIL.Image.fromarray(quadrants()).save(folder / "1.png")
    write_video(folder / "clip.mp4")
    for place in (folder, str(folder), f"{folder}/*.png", f"{folder}/[0-9].png", f"{folder}/1.png"):
        assert open_source(place).frame_count == 1
    assert open_source(f"{folder}/clip.mp4").frame_count == 25
    with pytest.raises(SourceError, match="no such file"):
        open_source(f"{folder}/nothing.mp4")


def test_a_file_url_is_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "my clips"
    folder.mkdir()
    video = write_video(folder / "a clip.mp4")
    PIL.Image.fromarray(quadrants()).save(folder / "100%25.png")
    for url in (video.as_uri(), f"file://localhost{video.as_uri()[7:]}", f"file://{video}"):
        source = open_source(url)
        assert source.frame_count == 25
        assert not source.is_live
    assert isinstance(open_source(folder.as_uri()), ImageSource)
    assert isinstance(open_source(f"file://{folder}/100%25.png"), ImageSource)
    with pytest.raises(SourceError, match="no such file or folder: /nowhere/a b"):
        open_source("file:///nowhere/a%20b.mp4")


def test_a_tilde_is_the_home_folder_or_a_letter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "clip.mp4")
    write_video(tmp_path / "~x.mp4")
    assert open_source("~/clip.mp4").frame_count == 25
    assert open_source("~x.mp4").frame_count == 25
    with pytest.raises(SourceError, match="no such file or folder: ~no-such-user"):
        open_source("~no-such-user/clip.mp4")
