from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from streamseg.batch.entry import Entry
from streamseg.batch.inputs import Recording, find_recordings
from streamseg.batch.job import Job, model_hash
from streamseg.batch.store import ENTRY, PARTIAL, Store
from streamseg.errors import ConfigError, ModelError, SinkError
from streamseg.video.options import SourceOptions

ENTRY_1 = Entry(
    source="/archive/a.mp4",
    size=3,
    version="1",
    sha256="c0",
    model_sha256="m0",
    options={"formats": ["parquet"]},
    frames=25,
    seconds=1.5,
    notes=("a.mp4: skipped a packet",),
    streamseg_version="0.1.0",
)
ENTRY_2 = replace(ENTRY_1, frames=50)


@pytest.fixture(params=["{}", "local://{}"], ids=["disk", "object store"])
def out(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder, as a path and through what stands for an object store."""
    where: str = request.param
    return where.format(tmp_path / "out")


def write(store: Store, entry: Entry, **files: str) -> None:
    with store.staging() as folder:
        for name, text in files.items():
            path = folder / name.replace("__", "/")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        store.publish(folder, "a-1", entry)


def tree(tmp_path: Path) -> dict[str, str]:
    root = tmp_path / "out"
    paths = (path for path in root.rglob("*") if path.is_file() and path.name != ENTRY)
    return {path.relative_to(root).as_posix(): path.read_text() for path in paths}


def test_results_appear_with_their_entry(out: str, tmp_path: Path) -> None:
    store = Store(out)
    with store.claimed():
        assert store.entries(["a-1"]) == {}
        write(store, ENTRY_1, part="1", images__0="0")
        assert store.entries(["a-1", "b-2"]) == {"a-1": ENTRY_1}
        assert tree(tmp_path) == {"recording=a-1/part": "1", "recording=a-1/images/0": "0"}


def test_new_results_replace_all_of_the_old_ones(out: str, tmp_path: Path) -> None:
    store = Store(out)
    with store.claimed():
        write(store, ENTRY_1, part="1", old="x")
        write(store, ENTRY_2, part="2")
        assert tree(tmp_path) == {"recording=a-1/part": "2"}
        assert store.entries(["a-1"]) == {"a-1": ENTRY_2}
        store.update("a-1", ENTRY_1)
        assert store.entries(["a-1"]) == {"a-1": ENTRY_1}
    assert not (tmp_path / "out" / PARTIAL).exists()


def test_an_error_while_writing_leaves_the_old_results(out: str, tmp_path: Path) -> None:
    store = Store(out)
    with store.claimed():
        write(store, ENTRY_1, part="1")
        with pytest.raises(RuntimeError), store.staging() as folder:
            (folder / "part").write_text("half")
            raise RuntimeError
        assert tree(tmp_path) == {"recording=a-1/part": "1"}


def test_what_a_killed_run_left_is_deleted_by_the_next(tmp_path: Path) -> None:
    left = tmp_path / "out" / PARTIAL / "ab" / "part"
    left.parent.mkdir(parents=True)
    left.write_text("half")
    with Store(str(tmp_path / "out")).claimed():
        assert not left.exists()


def test_a_folder_of_results_belongs_to_one_run(tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    with Store(out).claimed(), pytest.raises(SinkError, match="another run"), Store(out).claimed():
        pass


@pytest.mark.parametrize("name", ["run[1]", "run*", "run?"])
def test_a_place_that_looks_like_a_pattern_is_refused(name: str, tmp_path: Path) -> None:
    for where in ("{}", "local://{}"):
        with pytest.raises(ConfigError, match=r"must not contain .*run"):
            Store(where.format(tmp_path / name))


def test_an_entry_that_cannot_be_read_does_not_count_as_missing(out: str, tmp_path: Path) -> None:
    store = Store(out)
    (tmp_path / "out/recording=a-1" / ENTRY).mkdir(parents=True)
    with pytest.raises(SinkError, match="out"):
        store.entries(["a-1", "b-2"])


def test_a_place_that_cannot_be_written_is_named(out: str, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(SinkError, match="out"), Store(out).claimed():
        pass


@pytest.mark.parametrize("broken", [b"", b"{", b"[]", b'{"source": "a"}', b'{"notes": 3}'])
def test_an_entry_that_is_none_counts_as_missing(broken: bytes) -> None:
    assert Entry.parse(broken) is None
    assert Entry.parse(ENTRY_1.json().encode()) == ENTRY_1


@pytest.fixture
def looked(tmp_path: Path) -> Callable[[], Recording]:
    path = tmp_path / "a.mp4"
    path.write_text("abc")
    return lambda: find_recordings([path])[0]


def test_an_entry_knows_the_file_that_it_is_of(
    looked: Callable[[], Recording], tmp_path: Path
) -> None:
    entry = replace(ENTRY_1, size=looked().size, version=looked().version)
    assert entry.has_seen(looked())
    (tmp_path / "a.mp4").write_text("abcd")
    assert not entry.has_seen(looked())
    assert not replace(entry, version="").has_seen(replace(looked(), size=3, version=""))


def test_options_count_where_they_change_the_results() -> None:
    assert Job().options() == {"formats": ["parquet"]}
    same = Job(model="/elsewhere/model.onnx", source_options=SourceOptions(threads=2))
    assert same.options() == Job().options()
    job = Job(
        formats=("video", "jsonl"), size=(160, 96), source_options=SourceOptions(hwaccel="auto")
    )
    options = job.options()
    assert options == {
        "formats": ["jsonl", "video"],
        "size": [160, 96],
        "source_options": {"hwaccel": "auto"},
    }
    assert json.loads(json.dumps(options)) == options
    assert ENTRY_1.is_of("m0", Job().options())
    assert not ENTRY_1.is_of("m0", options)
    assert not ENTRY_1.is_of("m1", Job().options())


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"formats": ("xml",)}, "xml"),
        ({"formats": ()}, "format"),
        ({"runtime": "abacus"}, "abacus"),
    ],
)
def test_wrong_names_are_refused(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Job(**wrong)  # type: ignore[arg-type]


def test_the_hash_of_a_model_is_of_its_file_and_the_weights_beside_it(tmp_path: Path) -> None:
    model = tmp_path / "m.onnx"
    with pytest.raises(ModelError, match=r"m\.onnx"):
        model_hash(str(model))
    model.write_text("1")
    first = model_hash(str(model))
    # results with this hash are in the archives of users
    assert first == "246674b3a469aa56e2e62674e496a9d0b2867529d3e849324b0ae519baa4fc8a"
    model.with_suffix(".safetensors").write_text("2")
    assert model_hash(str(model)) != first
    assert model_hash("nano") == model_hash(None) != first
