from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from streamseg.drawing.contact_sheet import contact_sheet
from streamseg.drawing.overlay import class_colour, draw, name_colour
from streamseg.errors import InputError
from streamseg.frame import Frame, Image
from streamseg.results import FrameResult, Instance

GREY = 90


def make_result(label_map: np.ndarray, image: Image | None = None) -> FrameResult:
    """A result over a grey frame whose instances are the labels: car-1, car-2, ..."""
    height, width = label_map.shape
    image = np.full((height, width, 3), GREY, np.uint8) if image is None else image
    instances = []
    for label in range(1, int(label_map.max(initial=0)) + 1):
        rows, columns = np.nonzero(label_map == label)
        instances.append(
            Instance(
                name=f"car-{label}",
                class_name="car",
                class_id=7,
                track_id=label,
                is_confirmed=True,
                score=0.87,
                box=(
                    int(columns.min()),
                    int(rows.min()),
                    int(columns.max()) + 1,
                    int(rows.max()) + 1,
                ),
                area_px=len(rows),
                seed_yx=(int(rows[0]), int(columns[0])),
                tau=0.5,
                embedding=np.zeros(4, np.float32),
                label=label,
                label_map=label_map,
            )
        )
    frame = Frame(0, 0.0, height, width, lambda w, h: image)
    return FrameResult(frame, label_map, tuple(instances), dropped=0, timings_ms={})


def labels(height: int, width: int, *boxes: tuple[int, int, int, int]) -> np.ndarray:
    label_map = np.zeros((height, width), np.uint16)
    for label, (x0, y0, x1, y1) in enumerate(boxes, 1):
        label_map[y0:y1, x0:x1] = label
    return label_map


def changed(out: Image) -> np.ndarray:
    """Bool [H, W]: where an image over the grey frame differs from it."""
    different: np.ndarray = (out != GREY).any(axis=2)
    return different


def test_mask_is_tinted_outlined_and_labelled() -> None:
    label_map = labels(240, 320, (100, 100, 220, 200))
    out = draw(make_result(label_map))
    colour = np.array(name_colour("car-1"))

    # Well inside, the tint lies between the grey and the colour.
    assert (np.abs(out[150, 160].astype(int) - GREY) < np.abs(colour - GREY)).all()
    assert (out[150, 160] != GREY).any()
    # The outline is the pixel on each side of the border, in the pure colour.
    for y, x in [(150, 99), (150, 100), (150, 219), (150, 220), (199, 160), (200, 160)]:
        assert (out[y, x] == colour).all()
    # The plate stands on the box and holds dark text; the rest of the image is untouched.
    plate = out[75:99, 100:160]
    assert (plate == colour).all(axis=2).any()
    assert (plate.sum(axis=2) < 200).any()
    assert not changed(out)[:70].any()
    assert not changed(out)[201:].any()
    assert not changed(out)[:, :99].any()


def test_neighbours_keep_their_own_outlines() -> None:
    out = draw(make_result(labels(200, 300, (50, 60, 150, 160), (150, 60, 250, 160))))
    assert (out[150, 149] == name_colour("car-1")).all()
    assert (out[150, 150] == name_colour("car-2")).all()


def test_input_is_left_as_it_is() -> None:
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    label_map = labels(120, 160, (20, 20, 90, 90))
    image.flags.writeable = label_map.flags.writeable = False
    out = draw(make_result(label_map, image))
    assert not np.shares_memory(out, image)
    assert out.flags.writeable


def test_no_instances_gives_a_copy_of_the_frame() -> None:
    image = np.random.default_rng(0).integers(0, 256, (31, 17, 3), dtype=np.uint8)
    out = draw(make_result(labels(31, 17), image))
    assert (out == image).all()
    assert not np.shares_memory(out, image)


def test_another_image_can_be_drawn_over() -> None:
    other = np.zeros((64, 64, 3), np.uint8)[:, ::-1]
    out = draw(make_result(labels(64, 64, (30, 40, 40, 50))), image=other)
    assert (out[:20] == 0).all()


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((64, 63, 3), np.uint8),
        np.zeros((64, 64), np.uint8),
        np.zeros((64, 64, 3), np.float32),
    ],
)
def test_image_of_another_kind_is_refused(image: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"image must be uint8 \[64, 64, 3\]"):
        draw(make_result(labels(64, 64)), image=image)


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (1, 7), (7, 1), (3, 500), (500, 3), (37, 53), (241, 323)]
)
def test_any_size(height: int, width: int) -> None:
    out = draw(make_result(np.ones((height, width), np.uint16)))
    assert out.shape == (height, width, 3)
    assert out.dtype == np.uint8
    assert changed(out).all()


@pytest.mark.parametrize("x", [0, 150, 310])
@pytest.mark.parametrize("y", [0, 100, 230])
def test_label_is_whole_wherever_the_object_is(x: int, y: int) -> None:
    def text_px(x: int, y: int) -> int:
        out = draw(make_result(labels(240, 320, (x, y, x + 10, y + 10))))
        return int((out.sum(axis=2) < 200).sum())

    assert text_px(x, y) == text_px(150, 100) > 50


def test_labels_of_neighbours_do_not_cover_each_other() -> None:
    alone = draw(make_result(labels(240, 320, (100, 100, 112, 112))))
    both = draw(make_result(labels(240, 320, (100, 100, 112, 112), (114, 100, 126, 112))))
    plate = (slice(75, 99), slice(100, 150))
    assert (both[plate] == alone[plate]).all()
    assert (both == name_colour("car-2")).all(axis=2).sum() > 300


def test_colours_are_the_same_in_every_run() -> None:
    names = ["car-1", "person-2", "potted plant-12", "traffic-light-3", "x"]
    module = "streamseg.drawing.overlay"
    code = f"from {module} import name_colour; print([name_colour(n) for n in {names}])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str([name_colour(name) for name in names])


def test_colours_of_successive_names_are_far_apart() -> None:
    colours = np.array([name_colour(f"car-{k}") for k in range(1, 6)], int)
    apart = np.abs(colours[:, None] - colours).sum(axis=2)
    assert apart[~np.eye(5, dtype=bool)].min() > 80


def test_dark_text_is_readable_on_every_colour() -> None:
    for k in range(200):
        red, green, blue = name_colour(f"car-{k}")
        assert 0.2126 * red + 0.7152 * green + 0.0722 * blue > 110


def test_contact_sheet_has_equal_cells_and_gaps() -> None:
    first = np.full((40, 60, 3), 200, np.uint8)
    wide = np.full((20, 120, 3), 100, np.uint8)
    sheet = contact_sheet([first, wide, first], columns=2)
    assert sheet.shape == (40 + 4 + 40, 60 + 4 + 60, 3)
    assert (sheet[:40, :60] == 200).all()
    assert (sheet[:, 60:64] == sheet[0, 60]).all()
    # 120x20 is scaled to 60x10 and centred.
    assert (sheet[15:25, 64:] == 100).all()
    assert (sheet[:15, 64:] == sheet[0, 60]).all()
    assert (sheet[44:, :60] == 200).all()


def test_contact_sheet_of_one() -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 9, 3), dtype=np.uint8)
    assert (contact_sheet([image], columns=4) == image).all()


def test_contact_sheet_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="at least one image"):
        contact_sheet([], columns=2)
    with pytest.raises(InputError, match="columns must be 1 or more, got 0"):
        contact_sheet([np.zeros((2, 2, 3), np.uint8)], columns=0)


def test_the_colours_of_twenty_classes_are_apart() -> None:
    colours = np.array([class_colour(class_id) for class_id in range(1, 21)], np.int64)
    difference = np.abs(colours[:, None] - colours[None]).max(axis=-1)
    assert difference[~np.eye(20, dtype=bool)].min() >= 30
    assert colours.max(axis=1).min() > 120  # visible on a dark ground


def test_what_may_be_a_flicker_is_left_out_when_asked_for() -> None:
    result = make_result(labels(60, 80, (5, 10, 25, 30), (40, 10, 60, 30)))
    first, second = result.instances
    unsure = replace(result, instances=(first, replace(second, is_confirmed=False)))
    assert np.array_equal(draw(unsure), draw(result))
    sure = draw(unsure, only_confirmed=True)
    inside = np.s_[12:28, 45:58]
    assert np.array_equal(sure[inside], result.image[inside])
    assert not np.array_equal(draw(result)[inside], result.image[inside])
    assert changed(sure)[12:28, 8:22].all()
    still = replace(unsure, frame=replace(unsure.frame, is_still=True))
    assert np.array_equal(draw(still, only_confirmed=True), draw(result))
