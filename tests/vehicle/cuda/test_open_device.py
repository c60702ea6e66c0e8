"""Which package speaks to the driver, and what is said when none can."""

import sys
from importlib.util import find_spec

import pytest
from needed_in_ci import skip_unless_in_ci

from streamseg.errors import ConfigError, DeviceError, MissingExtraError
from streamseg.vehicle.cuda import driver, open_device


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="one of auto, pycuda, cuda-bindings, got 'torch'"):
        open_device("torch")


@pytest.mark.parametrize(
    ("kind", "package", "extra"),
    [
        ("pycuda", "pycuda", "vehicle"),
        ("cuda-bindings", "cuda-bindings", "vehicle-bindings"),
        ("auto", "pycuda", "vehicle"),
    ],
)
def test_a_missing_package_is_named(
    kind: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("pycuda", "cuda", "cuda.bindings"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError) as caught:
        open_device(kind)
    assert str(caught.value) == f"{package} is not installed: pip install 'streamseg[{extra}]'"


@pytest.mark.parametrize(("kind", "module"), [("pycuda", "pycuda"), ("auto", "cuda.bindings")])
def test_a_missing_driver_is_told_in_a_line(
    kind: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not all(map(find_spec, (module.partition(".")[0], module))):
        skip_unless_in_ci(f"{module} is not installed")
    if kind == "auto":
        monkeypatch.setitem(sys.modules, "pycuda", None)
    monkeypatch.setattr(driver, "LIBRARY", "libcuda-of-nobody.so.1")
    with pytest.raises(DeviceError) as caught:
        open_device(kind)
    assert str(caught.value).startswith("no CUDA driver on this machine: libcuda-of-nobody.so.1")
    assert "\n" not in str(caught.value)


def test_a_driver_without_graphs_is_told_to_be_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "LIBRARY", None)  # Python itself, which has no function of CUDA
    with pytest.raises(DeviceError, match=r"the CUDA driver is too old: .*undefined symbol: cu"):
        driver.Driver()
