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


def table() -> dict[str, frozenset[str]]:
    """Folder → the folders that it may import, as ARCHITECTURE.md says."""
    text = (ROOT.parent / "ARCHITECTURE.md").read_text("utf-8").split("| may import |", 1)[1]
    rows = re.findall(r"^\| `(\w+)` \|.*\|(.*)\|$", text, re.MULTILINE)
    return {folder: frozenset(re.findall(r"`(\w+)`", imports)) for folder, imports in rows}


JOINING = {
    "segmenter": frozenset({"grouping", "runtime", "streaming", "tracking", "video"}),
    "loading": frozenset({"grouping", "runtime", "segmenter", "streaming", "vehicle", "video"}),
}
"""Modules of the root that join folders."""
FOUNDATION: dict[str, frozenset[str]] = {"rle": frozenset({"kernels"})} | dict.fromkeys(
    (
        "classes",
        "closing",
        "config",
        "cores",
        "errors",
        "interrupts",
        "parsing",
        "results",
        "whole_file",
    ),
    frozenset(),
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


def test_no_file_imports_itself_through_others() -> None:
    assert len(IMPORTS) > 150
    assert IMPORTS["segmenter"] >= {"results", "runtime.base"}  # or the reading has lost its way
    TopologicalSorter(IMPORTS).prepare()  # raises CycleError, which names the circle


def test_the_table_has_every_folder() -> None:
    top = {folder(module) for module in MODULES}
    assert {name for name in top if (ROOT / name).is_dir()} == set(table())
    assert top == {*table(), *JOINING, *FOUNDATION, "__init__"}


def test_no_folder_imports_itself_through_others() -> None:
    allowed = table() | JOINING | FOUNDATION
    TopologicalSorter({name: {*FOUNDATION, *allowed[name]} for name in table() | JOINING}).prepare()


@pytest.mark.parametrize("name", sorted({*table(), *JOINING, *FOUNDATION} - {"cli"}))
def test_a_folder_imports_only_what_it_may(name: str) -> None:
    allowed = {name, *FOUNDATION, *(table() | JOINING | FOUNDATION)[name]}
    found = {
        f"{module} imports {other}"
        for module, others in IMPORTS.items()
        for other in others
        if folder(module) == name and folder(other) not in allowed
    }
    assert not found
