"""Which topic is read, and what happens to recordings that are not as they should be."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from av import VideoFrame
from media import cut, noise, quadrants, scramble
from recorded_drives import (
    START_NS,
    STEP_NS,
    Shot,
    compressed_shot,
    raw_shot,
    stamps,
    write_foxglove,
    write_ros,
)

from streamseg.cli.main import main
from streamseg.errors import InputError, SourceError
from streamseg.video.recordings.camera_messages import CameraMessage
from streamseg.video.recordings.paths import split_topic, with_topics
from streamseg.video.recordings.pixels import CameraDecoder
from streamseg.video.source import open_source

RAW = "foxglove.RawImage"


def shots_of(topic: str, times: list[int], encoding: str = "rgb8") -> list[Shot]:
    return [
        raw_shot(topic, RAW, stamp_ns, "rgb8", noise(n))._replace(encoding=encoding)
        for n, stamp_ns in enumerate(times)
    ]


def two_cameras(path: Path) -> Path:
    """The rear camera is half a step later."""
    rear = shots_of("/camera/rear", [time + STEP_NS // 2 for time in stamps(4)])
    shots = [*shots_of("/camera/front", stamps(5)), *rear]
    return write_foxglove(path, sorted(shots, key=lambda shot: shot.stamp_ns))


def test_of_several_cameras_one_must_be_named(tmp_path: Path) -> None:
    path = two_cameras(tmp_path / "drive.mcap")
    listed = (
        r"/camera/front \(foxglove.RawImage, 5 messages\), "
        r"/camera/rear \(foxglove.RawImage, 4 messages\)"
    )
    with pytest.raises(SourceError, match=f"{listed}; choose with --topic, or name the source .*#"):
        open_source(path)
    with pytest.raises(SourceError, match=f"no topic /camera/left: .*{listed}"):
        open_source(f"{path}#/camera/left")
    with open_source(f"{path}#/camera/rear") as source:
        assert source.description == f"{path}#/camera/rear"
        assert len(list(source)) == 4


def test_a_topic_without_images_says_what_it_holds(tmp_path: Path) -> None:
    path = write_foxglove(tmp_path / "a.mcap", [*shots_of("/camera", stamps(1))])
    from streamseg.formats.opening import open_writer  # a recording without a camera

    open_writer("mcap", tmp_path / "none.mcap").close()
    with pytest.raises(SourceError, match=r"none.mcap has no camera topic; it holds nothing"):
        open_source(tmp_path / "none.mcap")
    with pytest.raises(SourceError, match=r"no topic /lidar"):
        open_source(f"{path}#/lidar")


def test_topics_follow_the_path(tmp_path: Path) -> None:
    path = two_cameras(tmp_path / "drive#1.mcap")
    assert split_topic(str(path)) == (path, None)
    assert split_topic("nowhere.mcap#/camera") is None
    assert split_topic("http://camera/x.mcap#/camera") is None
    plain = path.rename(tmp_path / "drive.mcap")
    named = with_topics([str(plain)], ["/a", "/b", "/a"])
    assert named == [f"{plain}#/a", f"{plain}#/b"]
    assert split_topic(named[1]) == (plain, "/b")
    assert with_topics(["clip.mp4"], []) == ["clip.mp4"]
    with pytest.raises(InputError, match=r"--topic is for MCAP files and ROS bags; clip.mp4"):
        with_topics(["clip.mp4"], ["/a"])
    with pytest.raises(InputError, match=r"names a topic already"):
        with_topics(named, ["/a"])


@pytest.mark.parametrize("place", ["drive#3.mcap", "day#1/drive.mcap", "a#b#c.mcap"])
@pytest.mark.parametrize("topic", ["/camera/rear", "/camera#2"])
def test_a_path_with_the_separator_is_told_from_its_topic(
    place: str, topic: str, tmp_path: Path
) -> None:
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    write_foxglove(path, shots_of(topic, stamps(3)))
    assert split_topic(f"{path}#{topic}") == (path, topic)
    with open_source(f"{path}#{topic}") as source:
        assert len(list(source)) == 3
    assert with_topics([str(path)], [topic]) == [f"{path}#{topic}"]


def test_a_topic_may_follow_a_file_url(tmp_path: Path) -> None:
    path = two_cameras(tmp_path / "my drive.mcap")
    for url in (f"file://{path}", path.as_uri()):
        assert split_topic(url) == (path, None)
        assert split_topic(f"{url}#/camera/rear") == (path, "/camera/rear")


def test_stamps_that_jump_back_repeat_or_stay_away_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    steps = [0, 1, 2, 1, 3, 3, 4, 104, 105]
    times = [START_NS + step * STEP_NS for step in steps]
    shots = [
        shot._replace(log_ns=START_NS + n * STEP_NS)
        for n, shot in enumerate(shots_of("/camera", times))
    ]
    with open_source(write_foxglove(tmp_path / "drive.mcap", shots)) as source:
        frames = list(source)
    assert [frame.stamp_ns for frame in frames] == times
    seconds = [frame.pts_seconds for frame in frames]
    assert seconds == sorted(set(seconds))
    assert caplog.messages == [
        f"{source.description}: stamps that jump back: 1, repeated stamps: 1, "
        "gaps: 1 (longest 4.0 s)"
    ]


@pytest.mark.parametrize("kind", ["mcap", "bag", "active"])
def test_a_recording_that_is_cut_off_is_read_up_to_there(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    shots = shots_of("/camera", stamps(20))
    if kind == "mcap":
        path = write_foxglove(tmp_path / "drive.mcap", shots, chunk_size=20_000)
    else:
        ros = [shot._replace(kind="sensor_msgs/Image") for shot in shots]
        path = write_ros(tmp_path / "drive.bag", ros, "ros1", chunk_size=20_000)
        if kind == "active":
            path = path.rename(tmp_path / "drive.bag.active")
    with open_source(cut(path, 0.5)) as source:
        frames = list(source)
    count = len(frames)
    assert 5 <= count <= 10
    assert source.frame_count == count
    assert [frame.stamp_ns for frame in frames] == stamps(count)
    assert all((frame.image == noise(n)).all() for n, frame in enumerate(frames))
    assert caplog.messages[0].startswith(f"{source.description}: ends after {count} messages: ")
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("name", ["drive.mcap", "drive.bag", "drive.db3"])
@pytest.mark.parametrize("content", [b"", b"no recording at all " * 50])
def test_what_is_no_recording_is_refused_in_one_line(
    tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceError, match=name) as caught:
        open_source(path)
    assert "\n" not in str(caught.value)


def test_a_ros_2_bag_without_metadata_is_read(tmp_path: Path) -> None:
    shots = [shot._replace(kind="sensor_msgs/Image") for shot in shots_of("/camera", stamps(3))]
    for storage in ("mcap", "sqlite3"):
        folder = write_ros(tmp_path / storage, shots, storage)
        (folder / "metadata.yaml").unlink()
        (held,) = folder.iterdir()
        held.rename(folder / f"{folder.name}_0{held.suffix}")
        with open_source(folder) as source:
            assert [frame.stamp_ns for frame in source] == stamps(3)


def test_damaged_messages_are_skipped_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shots = [
        compressed_shot("/camera", "foxglove.CompressedImage", stamp_ns, "png", quadrants())
        for stamp_ns in stamps(4)
    ]
    shots[1] = shots[1]._replace(data=shots[1].data[:40])
    with open_source(write_foxglove(tmp_path / "drive.mcap", shots)) as source:
        times = [frame.stamp_ns for frame in source]
    assert times == [stamps(4)[n] for n in (0, 2, 3)]
    assert source.skipped == 1
    assert "skipped message 1" in caplog.messages[0]
    assert caplog.messages[1].endswith(": unreadable messages: 1")


def test_a_frame_that_the_decoder_repeats_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_decode = CameraDecoder.decode

    def decode_twice(self: CameraDecoder, message: CameraMessage, number: int) -> list[VideoFrame]:
        return true_decode(self, message, number) * 2

    monkeypatch.setattr(CameraDecoder, "decode", decode_twice)
    with open_source(write_foxglove(tmp_path / "drive.mcap", shots_of("/camera", stamps(3)))) as it:
        assert [frame.stamp_ns for frame in it] == stamps(3)
        assert it.skipped == 3


def test_rows_that_are_too_short_are_skipped(tmp_path: Path) -> None:
    shots = shots_of("/camera", stamps(2))
    shots[0] = shots[0]._replace(data=shots[0].data[:100])
    with open_source(write_foxglove(tmp_path / "drive.mcap", shots)) as source:
        assert [frame.stamp_ns for frame in source] == stamps(2)[1:]


def test_unknown_encodings_are_refused_with_the_list(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    depth = write_foxglove(tmp_path / "depth.mcap", shots_of("/depth", stamps(2), "32FC1"))
    with pytest.raises(SourceError, match=r"'32FC1' are not read; known are rgb8, .*mono16"):
        open_source(depth)
    shots = [shot._replace(kind="foxglove.CompressedImage") for shot in shots_of("/x", stamps(2))]
    odd = [shot._replace(encoding="jxl", data=b"12345678") for shot in shots]
    assert main(["run", str(write_foxglove(tmp_path / "jxl.mcap", odd))]) == 1
    said = capsys.readouterr().err
    assert "images compressed as 'jxl' are not read; known are jpeg, png, webp, h264" in said
    assert "Traceback" not in said


def test_doctor_lists_what_a_recording_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = two_cameras(tmp_path / "drive.mcap")
    assert main(["doctor", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{path}: 2 topics, 0.2 s"
    assert lines[1].split() == ["camera", "/camera/front", "5", "31.2/s", RAW]
    assert lines[2].split() == ["camera", "/camera/rear", "4", "25.0/s", RAW]
    assert main(["doctor", str(tmp_path / "clip.mp4")]) == 1
    assert "is not an MCAP file or ROS bag" in capsys.readouterr().err


def test_without_the_libraries_the_extra_is_named(tmp_path: Path) -> None:
    path, bag = two_cameras(tmp_path / "drive.mcap"), tmp_path / "drive.bag"
    bag.touch()
    code = f"""
import sys
for name in ("mcap", "rosbags", "apsw", "google.protobuf", "foxglove_schemas_protobuf"):
    sys.modules[name] = None
from streamseg import MissingExtraError, open_writer
from streamseg.video.recordings.pixels import CameraDecoder
from streamseg.video.source import open_source
from streamseg.cli.main import main
assert main(["doctor", {str(path)!r}]) == 1
for attempt in (lambda: open_writer("mcap", "{tmp_path}/o.mcap"),
                lambda: open_source("{path}#/camera/rear"), lambda: open_source("{bag}")):
    try:
        attempt()
    except MissingExtraError as error:
        print(error, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("is not installed: pip install 'streamseg[recordings]'") == 4
    assert "Traceback" not in done.stderr


def test_the_files_of_a_ros_2_bag_follow_each_other(tmp_path: Path) -> None:
    shots = [shot._replace(kind="sensor_msgs/Image") for shot in shots_of("/camera", stamps(22))]
    folder = write_ros(tmp_path / "drive", shots[:2], "mcap")
    (first,) = folder.glob("*.mcap")
    first.rename(folder / "drive_0.mcap")
    for number in range(1, 11):  # 10 comes after 9
        other = write_ros(tmp_path / f"part-{number}", shots[2 * number : 2 * number + 2], "mcap")
        (held,) = other.glob("*.mcap")
        held.rename(folder / f"drive_{number}.mcap")
    cut(folder / "drive_10.mcap", 0.5)  # in the middle of its only chunk
    folder = folder.rename(tmp_path / "renamed")
    with open_source(folder) as source:
        assert [frame.stamp_ns for frame in source] == stamps(20)
        assert source.frame_count == 20


def test_a_ros_2_bag_without_definitions_is_read(tmp_path: Path) -> None:
    """As recorders before ROS 2 Iron write them."""
    shots = [shot._replace(kind="sensor_msgs/Image") for shot in shots_of("/camera", stamps(3))]
    folder = write_ros(tmp_path / "drive", shots, "sqlite3")
    (held,) = folder.glob("*.db3")
    with closing(sqlite3.connect(held)) as database:
        database.execute("DROP TABLE message_definitions")
        database.execute("UPDATE schema SET schema_version = 3")
        database.commit()
    for path in (folder, held):
        with open_source(path) as source:
            assert [frame.stamp_ns for frame in source] == stamps(3)


def test_frames_behind_a_damaged_chunk_are_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_foxglove(
        tmp_path / "drive.mcap", shots_of("/camera", stamps(20)), chunk_size=20_000
    )
    with open_source(scramble(path, 0.4, 0.42)) as source:
        found = [frame.stamp_ns for frame in source]
    missing = [stamp_ns for stamp_ns in stamps(20) if stamp_ns not in found]
    assert 1 <= len(missing) <= 6
    first = stamps(20).index(missing[0])
    assert missing == stamps(20)[first : first + len(missing)]
    assert 4 < first < 12
    assert caplog.messages == [f"{source.description}: damaged parts: 1"]
