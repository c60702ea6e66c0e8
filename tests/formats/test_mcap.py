"""The Foxglove recording: read back with the library ``mcap``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scene_results import make_result

from streamseg.drawing.overlay import draw, name_colour
from streamseg.errors import SinkError
from streamseg.formats.opening import open_writer
from streamseg.frame import Recorded
from streamseg.results import FrameResult

STAMP_NS = 1_700_000_000_123_456_789
NAMES = ["car-1", "person-2", "car-13"]


def recorded(index: int, topic: str = "/camera/front", **changes: Any) -> FrameResult:
    result = make_result(index, NAMES, unconfirmed=["car-13"])
    stamp_ns = STAMP_NS + index * 40_000_000
    facts = Recorded(stamp_ns, stamp_ns + 5_000_000, topic, "lens")
    return replace(result, frame=replace(result.frame, recorded=facts), **changes)


def read(path: Path) -> dict[str, list[tuple[int, int, Any]]]:
    """Log time, publish time and content of the messages of each topic."""
    from mcap.reader import NonSeekingReader
    from mcap_protobuf.decoder import DecoderFactory

    found: dict[str, list[tuple[int, int, Any]]] = {}
    factory = DecoderFactory()
    with path.open("rb") as file:
        messages = NonSeekingReader(file).iter_messages(log_time_order=False)
        for schema, channel, message in messages:
            assert schema is not None
            decode = factory.decoder_for(channel.message_encoding, schema) or json.loads
            entry = message.log_time, message.publish_time, decode(message.data)
            found.setdefault(f"{channel.topic} {schema.name}", []).append(entry)
    return found


def filled(annotation: Any, height: int, width: int) -> NDArray[np.bool_]:
    """The pixels inside a list of lines along the edges of pixels, by the even-odd rule."""
    crossings = np.zeros((height, width + 1), int)
    points = [(round(point.x), round(point.y)) for point in annotation.points]
    for (x0, y0), (x1, y1) in zip(points[::2], points[1::2], strict=True):
        assert x0 == x1 or y0 == y1
        if x0 == x1:
            crossings[min(y0, y1) : max(y0, y1), x0] += 1
    inside: NDArray[np.bool_] = crossings.cumsum(1)[:, :-1] % 2 == 1
    return inside


def test_outlines_labels_and_objects_have_the_times_of_the_image(tmp_path: Path) -> None:
    results = [recorded(index) for index in range(3)]
    with open_writer("mcap", tmp_path / "o.mcap") as writer:
        for result in results:
            writer.write(result)
    found = read(tmp_path / "o.mcap")
    assert list(found) == [
        "/camera/front/annotations foxglove.ImageAnnotations",
        "/camera/front/labels foxglove.RawImage",
        "/camera/front/objects streamseg.Objects",
    ]
    for entries in found.values():
        for result, (log_ns, publish_ns, _) in zip(results, entries, strict=True):
            assert result.frame.recorded is not None
            assert (publish_ns, log_ns) == result.frame.recorded[:2]
    annotations, labels, objects = ([entry[2] for entry in entries] for entries in found.values())
    for result, shown, image, content in zip(results, annotations, labels, objects, strict=True):
        stamp_ns = result.stamp_ns
        for message in (shown, image):
            assert message.timestamp.ToNanoseconds() == stamp_ns
        assert stamp_ns == content["timestamp"]["sec"] * 10**9 + content["timestamp"]["nsec"]
        assert image.frame_id == content["frame_id"] == "lens"
        assert (image.encoding, image.step) == ("mono16", 2 * image.width)
        stored = np.frombuffer(image.data, "<u2").reshape(image.height, image.width)
        assert (stored == result.label_map).all()
        assert [instance["name"] for instance in content["instances"]] == NAMES
        assert content["stamp_ns"] == stamp_ns
        # what is not confirmed is not shown, as in the annotated video
        assert [text.text for text in shown.texts] == ["car-1  90%", "person-2  89%"]
        for instance, annotation in zip(result.confirmed, shown.points, strict=True):
            assert (filled(annotation, *result.label_map.shape) == instance.mask).all()
            colour = annotation.outline_color
            drawn = tuple(round(255 * value) for value in (colour.r, colour.g, colour.b))
            assert drawn == name_colour(instance.name)


def test_annotations_lie_where_the_products_own_drawing_has_its_outlines(tmp_path: Path) -> None:
    result = recorded(0)
    with open_writer("mcap", tmp_path / "o.mcap") as writer:
        writer.write(result)
    ((_, _, shown),) = next(iter(read(tmp_path / "o.mcap").values()))
    ours = draw(result, only_confirmed=True)
    theirs = result.image.copy()
    for annotation, instance in zip(shown.points, result.confirmed, strict=True):
        # a line of 2 px on the edge of two pixels covers both of them
        inside = np.pad(filled(annotation, *result.label_map.shape), 1)
        middle = inside[1:-1, 1:-1]
        around = (inside[:-2, 1:-1], inside[2:, 1:-1], inside[1:-1, :-2], inside[1:-1, 2:])
        border = np.any([side != middle for side in around], axis=0)
        theirs[border] = name_colour(instance.name)
    texts = np.zeros(result.label_map.shape, bool)
    for text in shown.texts:  # labels hide a part of the outlines
        y, x = round(text.position.y), round(text.position.x)
        texts[max(0, y - 20) : y + 20, x:] = True
    changed = (theirs != result.image).any(2) & ~texts
    outside = ~texts & (result.label_map == 0)
    assert (theirs[outside] == ours[outside]).all()
    assert (theirs[changed] == ours[changed]).all()


def test_holes_and_parts_of_a_mask_are_outlined(tmp_path: Path) -> None:
    result = recorded(0)
    mask = np.random.default_rng(0).random(result.label_map.shape) < 0.5
    label_map = mask.astype(np.uint16)
    box = (0, 0, mask.shape[1], mask.shape[0])
    instance = replace(result.instances[0], label_map=label_map, box=box)
    with open_writer("mcap", tmp_path / "o.mcap") as writer:
        writer.write(replace(result, label_map=label_map, instances=(instance,)))
    ((_, _, shown),) = next(iter(read(tmp_path / "o.mcap").values()))
    assert (filled(shown.points[0], *mask.shape) == mask).all()


def test_cameras_share_a_file_and_a_topic_has_one_source(tmp_path: Path) -> None:
    with open_writer("mcap", tmp_path / "o.mcap") as writer:
        writer.write(recorded(0))
        writer.write(recorded(1, "/camera/rear", source_index=1))
        writer.write(recorded(2))
        with pytest.raises(SinkError, match=r"two sources have the topic /camera/rear"):
            writer.write(recorded(3, "/camera/rear", source_index=2))
        writer.write(make_result(4, NAMES))  # of a video
        writer.write(replace(make_result(5, NAMES), source_index=7))
    found = read(tmp_path / "o.mcap")
    topics = {name.split()[0].rpartition("/")[0] for name in found}
    assert topics == {"/camera/front", "/camera/rear", "/camera", "/camera-7"}
    ((log_ns, _, content),) = found["/camera/objects streamseg.Objects"]
    assert log_ns == 160_000_000
    assert content["stamp_ns"] is None


KILLED = """
import sys, time
sys.path += {path!r}
from test_mcap import open_writer, recorded
with open_writer("mcap", sys.argv[1]) as writer:
    for index in range(2000):
        writer.write(recorded(index))
        print(index, flush=True)
        time.sleep(0.005)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_kill_leaves_all_but_the_last_frames(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "o.mcap"
    code = KILLED.format(path=[str(Path(__file__).parent), *sys.path])
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) == 40:
                break
        os.kill(child.pid, number)
    whole = read_what_is_there(path)
    assert whole >= (40 if number == signal.SIGINT else 25)
    if number == signal.SIGINT:
        assert len(read(path)["/camera/front/objects streamseg.Objects"]) == whole


def read_what_is_there(path: Path) -> int:
    """The number of ``objects``, in a file that may lack its end."""
    from streamseg.errors import SourceError
    from streamseg.video.recordings.source import open_recording

    count = 0
    with open_recording(path) as recording:
        try:
            for _ in recording.messages("/camera/front/objects"):
                count += 1
        except SourceError:
            pass
    return count


def test_a_strict_reader_finds_the_file_sound(tmp_path: Path) -> None:
    from mcap.reader import SeekingReader

    jsonschema = pytest.importorskip("jsonschema")
    with open_writer("mcap", tmp_path / "o.mcap") as writer:
        for index in range(3):
            writer.write(recorded(index))
    with (tmp_path / "o.mcap").open("rb") as file:
        reader = SeekingReader(file, validate_crcs=True)
        summary = reader.get_summary()
        assert summary is not None
        assert summary.statistics is not None
        messages = list(reader.iter_messages())
    counts = dict.fromkeys(summary.channels, 3)
    assert summary.statistics.channel_message_counts == counts
    assert summary.statistics.message_count == len(messages) == 9
    assert len(summary.chunk_indexes) == summary.statistics.chunk_count > 0
    for schema, _, message in messages:
        assert schema is not None
        if schema.encoding == "jsonschema":
            content = json.loads(message.data)
            stored = json.loads(schema.data)
            jsonschema.validate(content, stored)
            # the schema names all that is written
            assert content.keys() == stored["properties"].keys()
            of_object = stored["properties"]["instances"]["items"]["properties"]
            assert all(instance.keys() == of_object.keys() for instance in content["instances"])
