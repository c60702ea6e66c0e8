"""Triton's interpreter, without the half of its time that it spends on patching its language."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any


class PatchedOnce:
    """Stands in for ``interpreter._patch_lang``, which each call of a function calls again.

    A launch patches the language for its kernel, and restores it at its end. Functions that the
    kernel calls see the same modules, ``triton.language`` and its ``core``: each of them is patched
    once in a launch.
    """

    def __init__(self, patch: Callable[[Any], Any]) -> None:
        self._patch = patch
        self._scopes: dict[frozenset[str], Any] = {}

    def __call__(self, function: Any) -> PatchedOnce:
        modules = _language_of(function)
        if modules not in self._scopes:
            self._scopes[modules] = self._patch(function)
        return self

    def restore(self) -> None:
        """Called at the end of a launch."""
        for scope in reversed(self._scopes.values()):
            scope.restore()
        self._scopes.clear()


@cache
def _language_of(function: Any) -> frozenset[str]:
    import triton.language as tl

    seen = function.__globals__.values()
    return frozenset(module.__name__ for module in (tl, tl.core) if any(v is module for v in seen))
