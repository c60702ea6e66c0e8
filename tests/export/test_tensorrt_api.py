"""What is used of TensorRT exists in every version that a vehicle may have: no GPU, no TensorRT."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import stub_tensorrt
from stub_tensorrt.attributes import check

import streamseg
import streamseg.export

CHECK = """
import json
from stub_tensorrt.attributes import check
sources = [(path, open(path).read()) for path in sys.argv[1:]]
report = check(trt, sources)
print(json.dumps({"used": sorted(report.used), "problems": report.problems}))
"""

START = """
from pathlib import Path
from streamseg.errors import DeviceError
from streamseg.export.build_progress import BuildStep, BuildWatch, progress_monitor
from streamseg.release.tensorrt_module import logged_errors, start, tensorrt_logger

steps = []
monitor = progress_monitor(trt, BuildWatch(steps.append))
monitor.phase_start("a", None, 1)
assert monitor.step_complete("a", 0)
monitor.phase_finish("a")
assert [(step.done, step.total) for step in steps] == [(0, 1), (1, 1), (1, 1)], steps

with logged_errors() as errors:
    tensorrt_logger(trt).log(trt.ILogger.Severity.INFO, "good")
    tensorrt_logger(trt).log(trt.ILogger.Severity.ERROR, "bad")
assert errors.lines == ["bad"]

for make in (trt.Builder, trt.Runtime):
    try:
        start(trt, make)
    except DeviceError as error:
        print(error)
"""


def sources() -> list[Path]:
    """Every module that says of something that it is TensorRT's."""
    # the folder of exports is a link, which glob does not follow
    folders = [Path(*package.__path__) for package in (streamseg, streamseg.export)]
    files = {path.resolve() for folder in folders for path in folder.glob("**/*.py")}
    name = "streamseg.release.tensorrt_module"
    return sorted(
        path
        for path in files
        if f"from {name} import" in path.read_text() or path.stem == name.rpartition(".")[2]
    )


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not stub_tensorrt.compiler():
        pytest.skip("no C compiler")
    return stub_tensorrt.build_libraries(tmp_path_factory.mktemp("stub_tensorrt"))


@pytest.fixture(scope="session")
def out_of_reach() -> list[str]:
    """Why nothing can be downloaded, once that is known: finding out may take a while."""
    return []


@pytest.fixture(params=stub_tensorrt.VERSIONS)
def bindings(
    request: pytest.FixtureRequest,
    libraries: Path,
    pytestconfig: pytest.Config,
    out_of_reach: list[str],
) -> Path:
    """The bindings of one version, downloaded once."""
    assert pytestconfig.cache
    for reason in out_of_reach:
        pytest.skip(reason)
    try:
        folder = pytestconfig.cache.mkdir("tensorrt-bindings")
        return stub_tensorrt.fetch_bindings(request.param, folder)
    except stub_tensorrt.Unavailable as error:
        reason = f"no bindings of TensorRT {request.param}: {error}"
        if error.of_any_version:
            out_of_reach.append(reason)
        pytest.skip(reason)


def test_all_that_is_used_exists(libraries: Path, bindings: Path) -> None:
    report = json.loads(stub_tensorrt.run(libraries, bindings, CHECK, *map(str, sources())))
    assert report["problems"] == []
    # or the check has lost its way
    for used in (
        "Builder.build_serialized_network",
        "IBuilderConfig.progress_monitor",
        "ITimingCache.serialize",
        "LayerType.name",
        "ParserError.node_operator",
        "Runtime.deserialize_cuda_engine",
    ):
        assert used in report["used"]


def test_logger_and_progress_monitor_can_be_derived_and_no_gpu_is_an_error_of_ours(
    libraries: Path, bindings: Path
) -> None:
    lines = stub_tensorrt.run(libraries, bindings, START).splitlines()
    assert len(lines) == 2
    version = bindings.name.partition("-")[0]
    for line in lines:
        assert line == f"TensorRT {version} does not start: TensorRT gave no reason"


class Tensor:
    @property
    def shape(self) -> int:
        """(arg0: tensorrt.tensorrt.Tensor) -> int"""
        raise AssertionError


class Network:
    def get_input(self, index: int) -> Any:
        """get_input(self: tensorrt.tensorrt.Network, index: int) -> tensorrt.tensorrt.Tensor"""


TRT = SimpleNamespace(Network=Network, Tensor=Tensor)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("network.get_input(0).shape", None),
        ("network.get_inputs", "a.py:1: network.get_inputs does not exist: Network.get_inputs"),
        ("network.get_input(0).size", "Tensor.size"),
        ("x = network.get_input(0); x.shape = x.size", "Tensor.size"),
        ("x = network.get_input(0); x.name = 'a'", "Tensor.name"),
        ("[x.size for x in map_all(network)]", "cannot be followed"),
        ("[x.size for x in [network.get_input(i) for i in (0, 1)]]", "Tensor.size"),
        ("unknown(network).shape", "cannot be followed"),
        ("Ours(network).anything", None),
        ("unknown(lambda: network.get_input(0).size)", "Tensor.size"),
        ("list(inputs(network))[0].size", "Tensor.size"),
        ("list(inputs(network))[1:][0].shape", None),
        ("class Sub(trt.Network):\n  def get_output(self): ...", "overrides nothing"),
        ("class Sub(trt.Network):\n  def get_input(self): ...", None),
    ],
)
def test_the_check_finds_what_is_missing(body: str, problem: str | None) -> None:
    source = f"""def f(trt: TensorRT, network: Network): {body}
def inputs(network: Network) -> Iterator[Tensor]: ...
"""
    if body.startswith("class"):
        source = source.replace("class", "\n class").replace("\n  def", "\n  def")
    found = check(TRT, [("a.py", source)]).problems
    assert len(found) == (problem is not None)
    assert problem is None or problem in found[0]
