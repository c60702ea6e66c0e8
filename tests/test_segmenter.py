import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from colour_runtime import ColourRuntime
from numpy.typing import NDArray

import streamseg
from streamseg import loading
from streamseg.errors import ConfigError, InputError
from streamseg.frame import Image
from streamseg.grouping.cpu import GroupingConfig, find_segments, reaches_threshold
from streamseg.results import NetworkOutput, Segments
from streamseg.runtime.base import Pending
from streamseg.segmenter import Segmenter


def image_with(*boxes: tuple[slice, slice, tuple[int, int, int]]) -> Image:
    image = np.full((96, 160, 3), 128, np.uint8)
    for rows, columns, colour in boxes:
        image[rows, columns] = colour
    return image


RED_CAR = (slice(16, 48), slice(24, 72), (240, 20, 20))
BLUE_PERSON = (slice(32, 80), slice(96, 120), (20, 20, 240))
ORANGE_CAR = (slice(64, 88), slice(16, 64), (240, 160, 20))


@pytest.fixture
def segmenter() -> Segmenter:
    return Segmenter(ColourRuntime(), size=(160, 96))


def iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_an_image_gives_each_object_its_mask_class_box_and_name(segmenter: Segmenter) -> None:
    result = segmenter(image_with(RED_CAR, BLUE_PERSON, ORANGE_CAR))
    assert sorted(i.name for i in result.instances) == ["car-1", "car-2", "person-1"]
    person = next(i for i in result.instances if i.class_name == "person")
    truth = np.zeros((96, 160), np.bool_)
    truth[BLUE_PERSON[:2]] = True
    assert iou(person.mask, truth) > 0.85
    assert person.area_px == person.mask.sum()
    x0, y0, x1, y1 = person.box
    assert person.mask[y0:y1, x0:x1].sum() == person.area_px
    assert person.mask[person.seed_yx]
    assert person.tau == 0.5
    assert 0.9 < person.score <= 1
    assert person.embedding.shape == (3,)


def test_masks_are_disjoint_and_the_label_map_is_what_they_say(segmenter: Segmenter) -> None:
    result = segmenter(image_with(RED_CAR, BLUE_PERSON, ORANGE_CAR))
    covered = sum(i.mask.astype(int) for i in result.instances)
    assert np.array_equal(covered, (result.label_map > 0).astype(int))
    for label, instance in enumerate(result.instances, start=1):
        assert np.array_equal(instance.mask, result.label_map == label)


def test_instances_come_by_falling_score(segmenter: Segmenter) -> None:
    scores = [i.score for i in segmenter(image_with(RED_CAR, BLUE_PERSON)).instances]
    assert scores == sorted(scores, reverse=True)


def test_an_empty_image_gives_no_instance(segmenter: Segmenter) -> None:
    result = segmenter(image_with())
    assert result.instances == ()
    assert not result.label_map.any()


def test_specks_are_dropped_and_labels_stay_without_gaps() -> None:
    speck = (slice(80, 84), slice(140, 144), (20, 240, 240))
    image = image_with(RED_CAR, BLUE_PERSON, speck)
    everything, result = (
        Segmenter(ColourRuntime(), size=(160, 96), grouping=GroupingConfig(min_area=part))(image)
        for part in (0, 0.01)
    )
    assert len(everything.instances) == 3
    assert len(result.instances) == 2
    assert set(np.unique(result.label_map)) == {0, 1, 2}


@pytest.mark.parametrize("alpha", [0, -0.3, math.nan, math.inf, 1e-50])
def test_a_wrong_weight_of_distance_is_refused_before_an_image_is(alpha: float) -> None:
    with pytest.raises(ConfigError, match="alpha must be above 0"):
        GroupingConfig(alpha=alpha)


@pytest.mark.parametrize("alpha", [-0.3, math.nan, math.inf])
def test_proposals_need_a_weight_of_distance_that_is_finite(
    segmenter: Segmenter, alpha: float
) -> None:
    with pytest.raises(InputError, match="alpha must lie between 0 and 1e\\+06"):
        next(segmenter.propose_each(image_with(RED_CAR), 5, [alpha]))
    assert len(next(segmenter.propose_each(image_with(RED_CAR), 5, [0.0])))


def test_an_instance_that_others_leave_little_of_is_dropped() -> None:
    # the first column reaches far (τ = 0.25), the fifth is surer of all others there (τ = 0.5)
    embeddings = np.array([[[0.0, 1.0, 1.0, 1.1, 1.1, 1.1, 9.0, 9.0]]], np.float32)
    foreground = np.full((2, 1, 8), -18, np.float32)
    for tau, column, score in ((0, 0, 3.0), (1, 4, 4.0)):
        foreground[tau, 0, column] = score
    output = NetworkOutput(embeddings, foreground, classes=np.ones((1, 1, 4), np.float32))

    def areas(min_visible: float) -> list[int]:
        config = GroupingConfig(min_visible=min_visible, min_area=0)
        segments = find_segments(output, (0.25, 0.5), config, height=1, width=8)
        return [int(area) for area in segments.area_px]

    assert areas(0) == [5, 1]
    assert areas(0.5) == [5]


class Thresholds(ColourRuntime):
    """Has a threshold for cars and one for persons; every instance has a score of 0.996."""

    def __init__(self, car: float, person: float) -> None:
        super().__init__()
        self.config = replace(self.config, score_thresholds=(car, person))


class DeviceThresholds(Thresholds):
    """Groups itself, as a device does; keeps the lowest score that it was asked for."""

    least_score = -1.0

    def submit(self, image: Image, grouping: GroupingConfig, *, height: int, width: int) -> Pending:
        self.least_score = grouping.min_score
        found = find_segments(
            self.run(image), self.config.taus, grouping, height=height, width=width
        )

        class Done:
            def fetch(self) -> tuple[Segments, float, float]:
                return found, 0, 0

        return Done()


def test_instances_below_the_threshold_of_their_class_are_dropped_and_labels_renumbered() -> None:
    rows = np.arange(4)
    segments = Segments(
        label_map=np.array([[0, 1, 2], [3, 4, 4]], np.uint16),
        class_id=np.array([1, 2, 2, 1]),
        score=np.array([0.9, 0.8, 0.7, 0.6], np.float32),
        box=rows[:, None].repeat(4, 1),
        area_px=np.array([1, 1, 1, 2]),
        seed_yx=rows[:, None].repeat(2, 1),
        tau=np.array([0.1, 0.2, 0.3, 0.4], np.float32),
        embedding=rows[:, None].astype(np.float32),
    )
    # a score that equals its threshold in float32 is enough
    assert reaches_threshold(segments, (0.6, 0.75)).tolist() == [True, True, False, True]
    kept = segments.select(reaches_threshold(segments, (0.6, 0.75)))
    assert kept.label_map.tolist() == [[0, 1, 2], [0, 3, 3]]
    assert kept.label_map.dtype == np.uint16
    assert kept.class_id.tolist() == [1, 2, 1]
    assert kept.score.tolist() == segments.score[[0, 1, 3]].tolist()
    assert kept.box[:, 0].tolist() == kept.seed_yx[:, 1].tolist() == [0, 1, 3]
    assert kept.area_px.tolist() == [1, 1, 2]
    assert kept.embedding[:, 0].tolist() == [0, 1, 3]
    assert kept.tau.tolist() == segments.tau[[0, 1, 3]].tolist()
    assert segments.select(reaches_threshold(segments, (0.6, 0.7))) is segments
    assert reaches_threshold(segments, ()).all()
    assert not segments.select(reaches_threshold(segments, (1, 1))).label_map.any()


@pytest.mark.parametrize("kind", [Thresholds, DeviceThresholds])
def test_a_models_own_thresholds_hold_unless_one_is_given(kind: type[Thresholds]) -> None:
    image = image_with(RED_CAR, BLUE_PERSON, ORANGE_CAR)

    def names(runtime: Thresholds, grouping: GroupingConfig | None = None) -> list[str]:
        segmenter = Segmenter(runtime, size=(160, 96), grouping=grouping)
        result = segmenter(image)
        assert set(np.unique(result.label_map)) == set(range(len(result.instances) + 1))
        assert [i.label for i in segmenter.examine(image)[0].instances] == [
            i.label for i in result.instances
        ]
        return sorted(i.name for i in result.instances)

    assert names(kind(0.9, 0.999)) == ["car-1", "car-2"]
    assert names(kind(0.999, 0.5)) == ["person-1"]
    assert names(kind(0.999, 0.999)) == []
    everything = ["car-1", "car-2", "person-1"]
    assert names(kind(0.999, 0.999), GroupingConfig(min_score=0.9)) == everything
    assert names(kind(0.1, 0.1), GroupingConfig(min_score=0.999)) == []


def test_pixels_are_grouped_with_the_smallest_threshold() -> None:
    runtime = DeviceThresholds(0.3, 0.2)
    segmenter = Segmenter(runtime, size=(160, 96))
    assert len(list(segmenter.stream("test-pattern:160x96?frames=2"))) == 2
    assert runtime.least_score == 0.2
    assert Segmenter(ColourRuntime()).grouping.min_score == 0.5


def test_load_takes_the_models_thresholds_or_one_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "open_runtime", lambda *_, **__: Thresholds(0.9, 0.999))
    image = image_with(RED_CAR, BLUE_PERSON)
    size = (160, 96)
    assert [i.name for i in streamseg.load(size=size)(image).instances] == ["car-1"]
    assert len(streamseg.load(size=size, min_score=0.9)(image).instances) == 2


def test_a_stream_keeps_names_and_times(segmenter: Segmenter) -> None:
    results = list(segmenter.stream("test-pattern:160x96?frames=5"))
    assert [r.index for r in results] == list(range(5))
    assert all(b.pts_seconds > a.pts_seconds for a, b in pairwise(results))
    stages = {"decode", "preprocess", "network", "grouping", "tracking"}
    assert all(set(r.timings_ms) == stages for r in results)
    assert all(r.image.shape == (96, 160, 3) for r in results)


def test_a_stream_fails_at_the_call_not_at_the_first_frame(segmenter: Segmenter) -> None:
    with pytest.raises(streamseg.SourceError, match="nowhere"):
        segmenter.stream("nowhere.mp4")


def test_two_streams_do_not_share_names(segmenter: Segmenter) -> None:
    def names() -> list[str]:
        result = next(segmenter.stream("test-pattern:160x96?frames=2"))
        return [i.name for i in result.instances]

    assert names() == names()


def test_proposals_are_the_papers(segmenter: Segmenter) -> None:
    found = segmenter.propose(image_with(RED_CAR, BLUE_PERSON), max_seeds=6)
    assert len(found) == 6
    assert found.masks.shape == (6, 96, 160)
    assert found.masks.dtype == np.bool_
    assert (np.diff(found.score) <= 0).all()
    assert set(found.class_id[:2]) == {1, 2}
    assert all(found.masks[k][tuple(found.seed_yx[k])] for k in range(6))


def test_asking_for_fewer_proposals_gives_the_first_picks_of_more(segmenter: Segmenter) -> None:
    image = image_with(RED_CAR, BLUE_PERSON, ORANGE_CAR)
    many, few = (segmenter.propose(image, max_seeds=n) for n in (8, 3))
    assert sorted(many.pick.tolist()) == list(range(8))
    assert np.array_equal(many.seed_yx[many.pick < 3], few.seed_yx)
    assert np.array_equal(many.masks[many.pick < 3], few.masks)


def test_one_network_run_serves_every_alpha() -> None:
    class Counting(ColourRuntime):
        runs = 0

        def run(self, image: Image) -> NetworkOutput:
            self.runs += 1
            return super().run(image)

    runtime = Counting()
    segmenter = Segmenter(runtime, size=(160, 96))
    image = image_with(RED_CAR, BLUE_PERSON, ORANGE_CAR)
    by_seediness, by_paper = segmenter.propose_each(image, 4, [0, 0.3])
    assert runtime.runs == 1
    assert np.array_equal(by_paper.seed_yx, segmenter.propose(image, max_seeds=4).seed_yx)
    # without alpha the most likely pixels come first, however alike they are
    assert by_seediness.score.min() >= by_paper.score.min()
    assert (np.diff(by_seediness.score[by_seediness.pick.argsort()]) <= 0).all()
    with pytest.raises(streamseg.InputError, match="alpha"):
        list(segmenter.propose_each(image, 4, [-0.1]))


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((96, 160, 3), np.float32),
        np.zeros((96, 160), np.uint8),
        np.zeros((96, 160, 4), np.uint8),
        np.zeros((0, 160, 3), np.uint8),
    ],
)
def test_other_arrays_than_images_are_refused(segmenter: Segmenter, image: Image) -> None:
    with pytest.raises(streamseg.InputError, match="RGB uint8"):
        segmenter(image)


def test_a_path_in_place_of_an_image_is_pointed_to_stream(segmenter: Segmenter) -> None:
    with pytest.raises(streamseg.InputError, match=r"stream\(\)"):
        segmenter("photo.jpg")  # type: ignore[arg-type]


def test_a_network_gone_mad_is_our_error() -> None:
    class Mad(ColourRuntime):
        def run(self, image: Image) -> NetworkOutput:
            output = super().run(image)
            output.embeddings[0, 0, 0] = np.nan
            return output

    with pytest.raises(streamseg.InputError, match="embeddings"):
        Segmenter(Mad(), size=(160, 96))(image_with(RED_CAR))


def test_size_must_fit_the_trunk() -> None:
    with pytest.raises(streamseg.ConfigError, match="32"):
        Segmenter(ColourRuntime(), size=(100, 64))


def test_a_wrong_model_file_is_named(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("models") / "other.onnx"
    with pytest.raises(streamseg.ModelError, match="does not exist"):
        streamseg.load(path)
    path.write_bytes(b"not a model")
    with pytest.raises(streamseg.ModelError, match=r"other\.onnx"):
        streamseg.load(path)
