from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from scene_results import make_result

from streamseg.errors import MissingExtraError
from streamseg.formats.supervision import to_supervision


def test_detections_hold_every_instance() -> None:
    sv = pytest.importorskip("supervision")
    result = make_result(3, ["car-7", "person-2"])
    found: Any = to_supervision(result)
    assert isinstance(found, sv.Detections)
    assert found.xyxy.tolist() == [[3, 1, 13, 11], [17, 1, 27, 11]]
    assert found.tracker_id.tolist() == [7, 2]
    assert found.class_id.tolist() == [3, 16]
    assert found.confidence == pytest.approx([0.9, 0.89])
    assert found.data["class_name"].tolist() == ["car", "person"]
    assert found.data["name"].tolist() == ["car-7", "person-2"]
    assert found.mask.dtype == bool
    for mask, instance in zip(found.mask, result.instances, strict=True):
        assert (mask == instance.mask).all()


def test_supervision_filters_counts_and_draws_them() -> None:
    sv = pytest.importorskip("supervision")
    result = make_result(0, ["car-7", "person-2"])
    found: Any = to_supervision(result)
    assert found[found.data["class_name"] == "person"].tracker_id.tolist() == [2]
    zone = sv.PolygonZone(np.array([[0, 0], [12, 0], [12, 12], [0, 12]]))
    assert zone.trigger(found).tolist() == [True, False]
    drawn = sv.MaskAnnotator(opacity=1).annotate(result.image.copy(), found)
    changed = (drawn != result.image).any(axis=-1)
    assert (changed == (result.label_map != 0)).all()


def test_a_frame_without_instances_has_no_detections() -> None:
    sv = pytest.importorskip("supervision")
    found: Any = to_supervision(make_result(0, []))
    assert len(found) == 0
    assert found.mask.shape == (0, 48, 64)
    merged: Any = sv.Detections.merge([found, to_supervision(make_result(0, ["car-1"]))])
    assert merged.tracker_id.tolist() == [1]


def test_without_supervision_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'streamseg\[supervision\]'"):
        to_supervision(make_result(0, []))
