from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import fsspec
import pytest

from streamseg.batch.files import content_hash, local_copy, place_of
from streamseg.batch.inputs import Recording, find_recordings, is_unchanged
from streamseg.errors import ConfigError, InputError, SourceError


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Videos in two folders, a folder of images, a ROS bag, and what is passed over."""
    root = tmp_path / "archive"
    for name in (
        "day1/a.mp4",
        "day1/preview.jpg",
        "day1/notes.md",
        "day1/.hidden.mp4",
        "day2/deep/a.MKV",
        "images/000.png",
        "images/001.png",
        "bag/metadata.yaml",
        "bag/bag_0.db3",
        ".trash/old.mp4",
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name if path.suffix != ".yaml" else "rosbag2_bagfile_information:")
    return root


def look(recording: Recording) -> tuple[str, int, str]:
    return recording.source, recording.size, recording.version


def found(*sources: str | Path, root: Path) -> list[str]:
    return [os.path.relpath(r.source, root) for r in find_recordings(sources)]


def test_a_folder_is_searched_for_videos_bags_and_folders_of_images(archive: Path) -> None:
    assert found(archive, root=archive) == ["bag", "day1/a.mp4", "day2/deep/a.MKV", "images"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("**/*.mp4", ["day1/a.mp4"]),
        ("*/*.md", ["day1/notes.md"]),
        ("day?", ["day1/a.mp4", "day2/deep/a.MKV"]),
        ("day1/*", ["day1/a.mp4"]),
        ("**", ["bag", "day1/a.mp4", "day2/deep/a.MKV", "images"]),
    ],
)
def test_a_pattern_is_searched(archive: Path, pattern: str, names: list[str]) -> None:
    assert found(archive / pattern, root=archive) == names


def test_a_list_holds_all_kinds_of_sources_and_each_recording_counts_once(archive: Path) -> None:
    lines = ["# drives", "", f"{archive}/day1/a.mp4  ", f"{archive}/**/*.mp4", f"{archive}/bag"]
    (archive / "drives.txt").write_text("\n".join(lines))
    assert found(archive / "drives.txt", root=archive) == ["day1/a.mp4", "bag"]


def test_a_file_is_taken_whatever_its_name(archive: Path) -> None:
    odd = archive / "front[1].raw"
    odd.write_text("x")
    assert found(odd, root=archive) == ["front[1].raw"]


def test_relative_paths_become_absolute(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(archive)
    assert found("day1/a.mp4", root=archive) == ["day1/a.mp4"]


def test_results_inside_the_archive_are_not_recordings(archive: Path) -> None:
    out = archive / "day2"
    kept = find_recordings([archive], without=place_of(str(out)))
    assert [Path(r.source).name for r in kept] == ["bag", "a.mp4", "images"]


def test_names_tell_recordings_apart_and_depend_on_nothing_else(archive: Path) -> None:
    both = find_recordings([archive / "day1/a.mp4", archive / "day2"])
    alone = find_recordings([archive / "day2/deep/a.MKV"])
    assert both[0].name != both[1].name
    assert both[1].name == alone[0].name
    assert both[0].name.startswith("a-")
    strange = archive / "a b=c%2F.mp4"
    strange.write_text("x")
    assert find_recordings([strange])[0].name.startswith("a_b_c_2F-")


def test_a_changed_file_has_another_version(archive: Path) -> None:
    def look_again(path: Path) -> Recording:
        return find_recordings([path])[0]

    for path, part in ((archive / "day1/a.mp4", ""), (archive / "images", "001.png")):
        before = look_again(path)
        assert look(look_again(path)) == look(before)
        os.utime(path / part if part else path, (1, 1))
        assert look_again(path).version != before.version
        assert look_again(path).size == before.size


@pytest.mark.parametrize(
    ("source", "error", "says"),
    [
        ("nowhere.mp4", SourceError, "nowhere.mp4"),
        ("nowhere/*.mp4", InputError, "no recordings"),
        ("rtsp://user:secret@gate/1", InputError, r"rtsp://\*\*\*@gate/1 is not a recording"),
        ("adl://fleet/x", ConfigError, "adlfs|Install"),
        ("", InputError, "a path or a URL"),
        (3, InputError, "a path or a URL"),
    ],
)
def test_what_is_no_recording_is_refused(source: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        find_recordings([source])


def test_an_empty_list_is_named(tmp_path: Path) -> None:
    (tmp_path / "drives.txt").write_text("# none yet\n")
    with pytest.raises(InputError, match=r"no recordings in .*drives\.txt"):
        find_recordings([tmp_path / "drives.txt"])


def test_the_line_of_a_list_that_names_nothing_is_named(archive: Path) -> None:
    drives = archive / "drives.txt"
    for line, error, says in (
        ("hi", SourceError, "no such file or folder: .*hi"),
        ("rtsp://camera/1", InputError, "rtsp://camera/1 is not a recording"),
        (f"{archive}/images/*.png", InputError, "images/.*png are images"),
    ):
        drives.write_text(f"# of May\n{archive}/day1\n{line}\n")
        with pytest.raises(error, match=rf"drives\.txt, line 3: .*{says}"):
            find_recordings([drives])


def test_a_pattern_of_images_is_refused(archive: Path) -> None:
    with pytest.raises(InputError, match="name their folder"):
        find_recordings([f"{archive}/images/*.png"])


@pytest.mark.parametrize("where", ["{}", "local://{}"])
@pytest.mark.parametrize("pattern", ["images/000*", "i*/*0.*", "bag/*a*"])
def test_a_pattern_that_matches_a_part_of_a_recording_is_refused(
    archive: Path, where: str, pattern: str
) -> None:
    (archive / "bag/notes.md").write_text("x")
    with pytest.raises(InputError, match=r"(images|bag): name this folder, which is one rec"):
        find_recordings([where.format(archive / pattern)])


@pytest.mark.parametrize("pattern", ["images/*", "images/0*", "im*", "images/**"])
def test_a_pattern_that_matches_a_whole_folder_of_images_is_that_folder(
    archive: Path, pattern: str
) -> None:
    matched, named = (find_recordings([archive / path])[0] for path in (pattern, "images"))
    assert look(matched) == look(named)


def test_folders_that_match_a_pattern_are_searched_whatever_their_name(archive: Path) -> None:
    (archive / "day2").rename(archive / "day2.v1")
    assert found(archive / "day*.v1", root=archive) == ["day2.v1/deep/a.MKV"]


def test_a_link_is_its_file_and_links_to_folders_are_not_searched(archive: Path) -> None:
    links = archive / "links"
    links.mkdir()
    (links / "b.mp4").symlink_to(archive / "day1/a.mp4")
    (links / "gone.mp4").symlink_to("nowhere")
    (links / "deep").symlink_to(archive / "day2")
    assert found(links, root=links) == ["b.mp4", "gone.mp4"]
    assert found(links / "d*", root=links) == ["deep/deep/a.MKV"]
    named, searched = (find_recordings([path])[0] for path in (links / "b.mp4", links))
    assert look(named) == look(searched)
    assert is_unchanged(searched)
    os.utime(archive / "day1/a.mp4", (1, 1))
    assert not is_unchanged(searched)


def test_a_folder_that_cannot_be_listed_is_named(
    archive: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    listed = os.scandir

    def scandir(path: str) -> Any:
        if str(path).endswith("day2"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert found(archive, root=archive) == ["bag", "day1/a.mp4", "images"]
    assert caplog.messages == [f"{archive}/day2 cannot be searched: Permission denied"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_list_may_be_written_with_any_editor(archive: Path, encoding: str) -> None:
    (archive / "drives.txt").write_text(f"{archive}/day1/a.mp4", encoding)
    assert found(archive / "drives.txt", root=archive) == ["day1/a.mp4"]


def test_a_folder_of_images_is_unchanged_whatever_is_below_it(archive: Path) -> None:
    images = archive / "images"
    images.rename(archive / "images.txt")  # not a list
    (recording,) = [r for r in find_recordings([archive]) if r.source.endswith("images.txt")]
    before = content_hash(Path(recording.source))
    for name in ("below/results.jsonl", ".hidden"):
        path = Path(recording.source) / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    assert is_unchanged(recording)
    assert content_hash(Path(recording.source)) == before
    (Path(recording.source) / "002.png").write_text("x")
    assert not is_unchanged(recording)
    assert content_hash(Path(recording.source)) != before


def test_urls_are_searched_like_paths(archive: Path) -> None:
    for url in (f"local://{archive}", f"local://{archive}/**"):
        urls = [r.source.partition("archive/")[2] for r in find_recordings([url])]
        assert urls == ["bag", "day1/a.mp4", "day2/deep/a.MKV", "images"]


def test_a_recording_of_a_url_is_copied_and_the_copy_deleted() -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe({"/fleet/1/a.mp4": b"abc", "/fleet/2/0.png": b"0", "/fleet/2/1.png": b"1"})
    try:
        video, images = find_recordings(["memory://fleet"])
        assert (video.source, video.size) == ("memory:///fleet/1/a.mp4", 3)
        with local_copy(video.place) as path:
            assert path.name == "a.mp4"
            assert path.read_bytes() == b"abc"
        assert not path.exists()
        with local_copy(images.place) as folder:
            assert sorted(file.name for file in folder.iterdir()) == ["0.png", "1.png"]
        assert not folder.exists()
    finally:
        memory.rm("/fleet", recursive=True)


def test_names_with_brackets_and_stars_are_copied_as_they_are() -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe({"/odd/a[1].mp4": b"1", "/odd/a1.mp4": b"2", "/odd/*": b"3"})
    memory.pipe({"/odd/i[1]/0?.png": b"4", "/odd/i[1]/00.png": b"5", "/odd/i[1]/below/x": b"6"})
    root = place_of("memory://odd")
    try:
        for name, content in (("a[1].mp4", b"1"), ("*", b"3")):
            with local_copy(root.at(f"/odd/{name}")) as path:
                assert path.read_bytes() == content
        with local_copy(root.at("/odd/i[1]")) as path:
            copied = {file.name: file.read_bytes() for file in path.iterdir()}
        assert copied == {"0?.png": b"4", "00.png": b"5"}
        with pytest.raises(SourceError, match="no such file"), local_copy(root.at("/odd/gone")):
            pass
    finally:
        memory.rm("/odd", recursive=True)


def test_the_hash_of_a_file_is_its_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert content_hash(tmp_path / "a") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_the_hash_of_a_folder_is_that_of_names_and_contents(tmp_path: Path) -> None:
    hashes = set()
    for names in (("a", "b"), ("a", "c")):
        folder = tmp_path / "".join(names)
        folder.mkdir()
        for name in names:
            (folder / name).write_text("x")
        hashes.add(content_hash(folder))
    assert len(hashes) == 2
