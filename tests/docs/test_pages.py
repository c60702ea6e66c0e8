"""What the pages show exists: commands, options, public names, settings, benchmarks."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

import streamseg
from streamseg.cli.main import build_parser
from streamseg.errors import StreamsegError

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


PUBLIC_MODULES = ("serve",)
"""Of an extra; users import it as a module of its own."""


def commands(text: str) -> Iterator[str]:
    """Shell commands in blocks and in code, each on one line."""
    for language, block in BLOCK.findall(text):
        if not language:
            joined = block.replace("\\\n", " ")
            for line in joined.splitlines():
                yield from re.split(r"&&|\|", line.partition("#")[0])
    for code in re.findall(r"`([^`\n]+(?:\n[^`\n]+)?)`", BLOCK.sub("", text)):
        yield code.replace("\n", " ")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_on_a_page_are_understood(page: Path) -> None:
    for command in commands(page.read_text()):
        words = shlex.split(command) if command.count("'") % 2 == 0 else []
        if len(words) > 1 and Path(words[0]).name == "streamseg":
            # a command named in a sentence stands without arguments; its help must exist
            arguments = words[1:] if words[2:] else [words[1], "--help"]
            try:
                build_parser().parse_args(arguments)
            except (SystemExit, StreamsegError) as error:
                understood = isinstance(error, SystemExit) and error.code == 0
                assert understood, f"{page.name} shows {command!r}, which is not understood"
        if words[:2] == ["python", "-m"] or words[:3] == ["python", "-m", "streamseg"]:
            module = Path(words[2].replace(".", "/"))
            places = (ROOT / module).with_suffix(".py"), ROOT / module / "__main__.py"
            assert any(place.exists() for place in places), command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_on_a_page_parses_and_uses_public_names(page: Path) -> None:
    for language, block in BLOCK.findall(page.read_text()):
        if language == "python":
            flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST
            tree = compile(block, page.name, "exec", flags)
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom):
                    assert not (node.module or "").startswith("streamseg"), block
                if (
                    isinstance(node, ast.Attribute)
                    and isinstance(node.value, ast.Name)
                    and node.value.id == "streamseg"
                ):
                    assert node.attr in (*streamseg.__all__, *PUBLIC_MODULES), node.attr


def test_the_api_page_has_every_public_name() -> None:
    shown = re.findall(r"^::: streamseg\.(\w+)$", (ROOT / "docs/api.md").read_text(), re.MULTILINE)
    assert sorted(shown) == sorted(streamseg.__all__)


def test_every_source_option_is_on_the_page_of_live_cameras() -> None:
    text = (ROOT / "docs/live.md").read_text()
    for field in fields(streamseg.SourceOptions):
        assert f"`{field.name}`" in text


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert f": {page.name}" in navigation


def test_the_readme_fits_on_a_page() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
