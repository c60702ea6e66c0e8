import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).resolve().parents[1]


def package_folders() -> dict[str, Path]:
    """Every folder with an ``__init__.py``, by the name it is imported under."""
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = {}
    for name, folder in setuptools["package-dir"].items():
        top = ROOT / folder
        for init in top.rglob("__init__.py"):
            parts = init.parent.relative_to(top).parts
            if not any((top / Path(*parts[: i + 1])).is_symlink() for i in range(len(parts))):
                found[".".join((name, *parts))] = init.parent
    return found


def test_every_package_folder_is_listed() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert sorted(package_folders()) == sorted(setuptools["packages"])


def test_the_wheel_holds_every_module_and_the_model(tmp_path: Path) -> None:
    skip = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__", "runs", "tests")
    source = tmp_path / "source"
    shutil.copytree(ROOT, source, symlinks=True, ignore=skip)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", str(tmp_path), str(source)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for package, folder in package_folders().items():
        for module in folder.glob("*.py"):
            assert f"{package.replace('.', '/')}/{module.name}" in names
    weights = ("weights/nano.onnx", "weights/nano.safetensors", "weights/nano.json")
    page = [f"serve/static/{file.name}" for file in (ROOT / "streamseg/serve/static").iterdir()]
    for data in ("py.typed", "evaluate/report/page.html.jinja", *weights, *page):
        assert f"streamseg/{data}" in names
    assert not [name for name in names if name.startswith(("benchmarks", "tests"))]
    assert wheel.stat().st_size < 30e6


def test_the_shipped_model_is_small() -> None:
    files = list((ROOT / "streamseg" / "weights").iterdir())
    assert sum(file.stat().st_size for file in files) < 25e6
