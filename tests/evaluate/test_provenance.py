from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamseg.errors import DataError, ModelError
from streamseg.evaluate.provenance import describe_ground_truth, held_out


def model_trained_on(path: Path, *ids: str) -> Path:
    path.with_suffix(".json").write_text(json.dumps({"training_images": ids}))
    return path


def test_training_images_of_every_model_are_left_out(tmp_path: Path) -> None:
    first = model_trained_on(tmp_path / "first.onnx", "a")
    second = model_trained_on(tmp_path / "second.onnx", "b")
    unknown = tmp_path / "unknown.onnx"
    ids = ("a", "b", "c")

    def left(*models: Path) -> tuple[tuple[str, ...], str]:
        return held_out(ids, models, include_training_images=False)

    assert left(first, second) == (("c",), "2 left out of the split")
    rest, note = left(first, unknown, second)
    assert rest == ("c",)
    assert note == "2 left out of the split; unknown: no card unknown.json lists any"
    assert left(unknown) == (ids, "unknown: no card unknown.json lists any")
    kept, note = held_out(ids, [unknown, first], include_training_images=True)
    assert kept == ids
    assert "1 of these images were trained on and INCLUDED; unknown" in note
    with pytest.raises(DataError, match="trained on all 3 images"):
        left(model_trained_on(tmp_path / "all.onnx", *ids))


def test_a_broken_card_or_note_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(ModelError, match=r"model\.json is not JSON"):
        held_out(("a",), [tmp_path / "model.onnx"], include_training_images=False)
    assert "no GROUND_TRUTH.txt describes them" in describe_ground_truth(tmp_path)
    (tmp_path / "GROUND_TRUTH.txt").write_bytes(b"\xff")
    with pytest.raises(DataError, match=r"GROUND_TRUTH\.txt cannot be read as UTF-8 text"):
        describe_ground_truth(tmp_path)
