"""The examples in docstrings are right."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import streamseg
from streamseg.errors import MissingExtraError

ROOT = Path(streamseg.__file__).parent
WITH_EXAMPLES = sorted(
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
    for folder in (ROOT, ROOT / "kernels", ROOT / "export")  # links, which rglob skips
    for path in folder.rglob("*.py")
    if ">>> " in path.read_text("utf-8")
)


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_the_examples_of_a_module_give_what_they_say(module: str) -> None:
    try:
        imported = import_module(module)
    except MissingExtraError as error:
        pytest.skip(str(error))
    results = doctest.testmod(imported)
    assert results.attempted
    assert not results.failed


def test_there_are_examples() -> None:
    assert len(WITH_EXAMPLES) >= 10
