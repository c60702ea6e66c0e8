"""The table of folders in ARCHITECTURE.md is what the imports are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"streamseg": "streamseg", "kernels": "streamseg.kernels", "export": "streamseg.export"}
TOP = {"segmenter", "loading"}
"""Modules at the root that join folders; the others are for all to import."""


def allowed() -> dict[str, set[str]]:
    """Folder → the folders that it may import, as the table says."""
    text = (ROOT / "ARCHITECTURE.md").read_text().split("| may import |", 1)[1]
    rows = re.findall(r"^\| `(\w+)` \|.*\|(.*)\|$", text, re.MULTILINE)
    return {folder: set(re.findall(r"`(\w+)`", imports)) for folder, imports in rows}


ALLOWED = allowed()


def modules() -> Iterator[tuple[str, Path]]:
    """Folder and file of every module in a folder."""
    for folder, package in PACKAGES.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).parts
            if package != "streamseg":
                yield folder, path
            elif len(parts) > 1 and parts[0] not in PACKAGES:
                yield parts[0], path


def imported(path: Path) -> Iterator[str]:
    """Folders and joining modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            first, _, rest = name.partition(".")
            second = rest.split(".")[0]
            if first == "streamseg" and (second in ALLOWED or second in TOP):
                yield second


def test_the_table_has_every_folder() -> None:
    assert {folder for folder, _ in modules()} == set(ALLOWED)


@pytest.mark.parametrize("folder", sorted(set(ALLOWED) - {"cli"}))
def test_a_folder_imports_only_what_the_table_allows(folder: str) -> None:
    for of_folder, path in modules():
        if of_folder == folder:
            forbidden = set(imported(path)) - ALLOWED[folder] - {folder}
            assert not forbidden, f"{path.relative_to(ROOT)} imports {sorted(forbidden)}"


def test_no_folder_imports_itself_through_others() -> None:
    def reached(folder: str, seen: frozenset[str] = frozenset()) -> set[str]:
        there = ALLOWED.get(folder, set()) - seen
        return there.union(*(reached(name, seen | there) for name in there))

    for folder in ALLOWED:
        assert folder not in reached(folder), f"{folder} imports itself through others"


def test_the_files_that_the_page_names_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"`((?:streamseg|kernels|tests)/[\w/]+(?:\.py)?)/?`", text))
    assert len(named) > 20
    for name in named:
        assert (ROOT / name).exists(), name
    for name, word in re.findall(r"`(streamseg/[\w/]+\.py)` \(`(\w+)`", text):
        assert word in (ROOT / name).read_text()
