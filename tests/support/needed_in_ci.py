"""Skip what this machine lacks; fail where the machine is there to have it."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def skip_unless_in_ci(reason: str) -> NoReturn:
    """Skip a test. With ``CI=true``, where ``.ci/run`` has installed everything, fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI=true: {reason}")
    pytest.skip(reason)
