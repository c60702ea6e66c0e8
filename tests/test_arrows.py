"""Who may import whom: one direction from video to command line, and no circle anywhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import streamseg

ROOT = Path(streamseg.__file__).parent

PAGE = ROOT.parent / "ARCHITECTURE.md"


def table() -> dict[str, str]:
    """The table of folders on the page: what each, or a module of the root, may import."""
    rows = PAGE.read_text("utf-8").split("| may import |", 1)[1]
    found = re.findall(r"^\| `(\w+)` \|.*\|(.*)\|$", rows, re.MULTILINE)
    return {name: " ".join(re.findall(r"`(\w+)`", allowed)) for name, allowed in found}


ALLOWED = table()
"""The command line may import all."""
FOUNDATION = {"rle": "kernels"} | dict.fromkeys(
    (
        "classes",
        "closing",
        "config",
        "cores",
        "errors",
        "files",
        "frame",
        "interrupts",
        "parsing",
        "results",
    ),
    "",
)
"""Modules of the root that everyone may import; besides each other they import only this."""


def modules() -> dict[str, Path]:
    """All files by the name that they are imported by, without ``streamseg.``."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for folder in (ROOT, ROOT / "kernels", ROOT / "export")  # links, which rglob skips
        for path in folder.rglob("*.py")
    }


MODULES = modules()


def imports(path: Path) -> Iterator[str]:
    """What a file imports of the package: at its top, in functions and for types alone."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name == "streamseg" or name.startswith("streamseg."):
                inside = name.removeprefix("streamseg").removeprefix(".")
                yield inside if inside in MODULES else inside.rpartition(".")[0] or "__init__"


IMPORTS = {name: set(imports(path)) - {name} for name, path in MODULES.items()}


def folder(module: str) -> str:
    return module.partition(".")[0]


def test_the_page_has_every_folder() -> None:
    folders = {folder(module) for module in MODULES if "." in module} - {*FOUNDATION}
    assert set(ALLOWED) == {*folders, "segmenter", "loading"}


def test_the_files_that_the_page_names_exist() -> None:
    text = PAGE.read_text("utf-8")
    named = set(re.findall(r"`((?:streamseg|kernels|tests)/[\w/]+(?:\.py)?)/?`", text))
    assert len(named) > 20
    assert not [name for name in named if not (PAGE.parent / name).exists()]
    for name, word in re.findall(r"`(streamseg/[\w/]+\.py)` \(`(\w+)`", text):
        assert word in (PAGE.parent / name).read_text("utf-8")


def test_no_file_imports_itself_through_others() -> None:
    assert len(IMPORTS) > 150
    assert IMPORTS["segmenter"] >= {"results", "runtime.base"}  # or the reading has lost its way
    TopologicalSorter(IMPORTS).prepare()  # raises CycleError, which names the circle


def test_no_folder_imports_itself_through_others() -> None:
    TopologicalSorter(
        {name: {*FOUNDATION, *allowed.split()} for name, allowed in ALLOWED.items()}
    ).prepare()


@pytest.mark.parametrize("name", sorted({folder(module) for module in MODULES}))
def test_a_folder_imports_only_what_it_may(name: str) -> None:
    if name in ("cli", "__init__"):
        return
    everyone = {name, *FOUNDATION}
    allowed = everyone | set((ALLOWED | FOUNDATION)[name].split())
    found = {
        f"{module} imports {other}"
        for module, others in IMPORTS.items()
        for other in others
        if folder(module) == name and folder(other) not in allowed
    }
    assert not found
