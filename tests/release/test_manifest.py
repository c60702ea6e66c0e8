"""A release is what its manifest says, or it is refused by the name of what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from release_files import SHAPE, golden, write_release

from streamseg.errors import InputError, ModelError
from streamseg.kernels.find_runs.launch import find_runs_launch
from streamseg.kernels.list_instances.launch import relabel_launch
from streamseg.release.golden import load_golden
from streamseg.release.manifest import GOLDEN, MANIFEST, TRUNK, KernelFile, open_release


def kernel_file(folder: Path) -> KernelFile:
    launch = relabel_launch(64)
    path = folder / "kernels/sm_87/relabel.cubin"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"code")
    return KernelFile(
        kernel="relabel",
        architecture=87,
        path="kernels/sm_87/relabel.cubin",
        entry="relabel_kernel",
        constants=dict(launch.constants),
        known={"frame_pixels": 64},
        arguments={"frame_pixels": "i32"},
        warps=launch.warps,
        shared_bytes=0,
        cooperative=False,
        assembled_by="12.6",
        triton="3.8.0",
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_release(tmp_path, [kernel_file(tmp_path)])
    return tmp_path


def test_a_release_comes_back_as_it_was_written(folder: Path) -> None:
    release = open_release(folder)
    assert release.manifest.shape == SHAPE
    assert release.manifest.kernels[0].constants == {"BLOCK": 1024}
    assert json.loads((folder / MANIFEST).read_text()) == json.loads(release.manifest.to_json())


def test_golden_outputs_come_back_in_half_precision(folder: Path) -> None:
    made, read = golden(), load_golden(folder / GOLDEN, golden().config)
    exact = vars(made.run(made.image))
    for name, values in vars(read.run(made.image)).items():
        assert values.dtype == exact[name].dtype
        assert values == pytest.approx(exact[name], rel=1e-3)
    with pytest.raises(InputError, match="golden image only"):
        read.run(made.image[::-1])


@pytest.mark.parametrize("name", [TRUNK, GOLDEN, "kernels/sm_87/relabel.cubin"])
def test_a_file_that_was_changed_cut_or_lost_is_named(folder: Path, name: str) -> None:
    path = folder / name
    content = path.read_bytes()
    for damaged in (content[:-1] + b"?", content[:-1], b""):
        path.write_bytes(damaged)
        with pytest.raises(ModelError, match=rf"{name} is not the file that was exported"):
            open_release(folder)
    path.unlink()
    with pytest.raises(ModelError, match=rf"{name} is missing"):
        open_release(folder)


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "kernels/../../outside", "link"])
def test_a_manifest_cannot_lead_out_of_its_folder(folder: Path, name: str) -> None:
    (folder / "link").symlink_to("/etc/hostname")
    change(folder, lambda fields: fields["sha256"].update({name: "0" * 64}))
    with pytest.raises(ModelError, match="lies outside the release"):
        open_release(folder)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda fields: fields.update(format=1), "is of format 1.*reads 3"),
        (lambda fields: fields.pop("size"), "not the manifest of a release"),
        (lambda fields: fields.update(size=3), "not the manifest of a release"),
        (lambda fields: fields.update(extra=1), "not the manifest of a release"),
        (lambda fields: fields["model"].update(taus=[2.0]), "not the manifest of a release"),
        (lambda fields: fields["kernels"][0].pop("entry"), "not the manifest of a release"),
        (lambda fields: fields["sha256"].pop(TRUNK), "gives no hash for trunk.onnx"),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(
    folder: Path, edit: Callable[[dict[str, Any]], object], message: str
) -> None:
    change(folder, edit)
    with pytest.raises(ModelError, match=message):
        open_release(folder)


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff\xfe", b"null"])
def test_what_is_no_manifest_at_all_is_refused(folder: Path, text: bytes) -> None:
    (folder / MANIFEST).write_bytes(text)
    with pytest.raises(ModelError, match=MANIFEST):
        open_release(folder)


def test_a_folder_without_a_manifest_is_no_release(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not a release"):
        open_release(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"^there is no folder .*nope$"):
        open_release(tmp_path / "nope")


def test_golden_outputs_are_never_unpickled(folder: Path) -> None:
    import numpy as np

    np.savez(folder / GOLDEN, image=np.array([{}], dtype=object))
    with pytest.raises(ModelError, match="holds no golden outputs"):
        load_golden(folder / GOLDEN, golden().config)


def test_a_gpu_without_kernels_is_told_which_there_are(folder: Path) -> None:
    with pytest.raises(ModelError, match="kernels for sm_87, and this GPU is sm_110"):
        open_release(folder).kernels_for(110)


def test_a_kernel_serves_only_what_it_was_compiled_for(tmp_path: Path) -> None:
    file = kernel_file(tmp_path)
    assert file.serves(relabel_launch(64))
    assert not file.serves(relabel_launch(65))  # 16 was promised
    assert not file.serves(find_runs_launch(8, 8))
    assert not replace(file, constants={"BLOCK": 512}).serves(relabel_launch(64))
    assert not replace(file, known={"frame_pixels": 1}).serves(relabel_launch(64))


def change(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    fields = json.loads((folder / MANIFEST).read_text())
    edit(fields)
    (folder / MANIFEST).write_text(json.dumps(fields))
