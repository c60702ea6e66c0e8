"""What every ONNX file of ours needs, whoever makes its graph."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.config import ModelConfig
from streamseg.runtime.model_file import METADATA_KEY

if TYPE_CHECKING:
    from onnx import ModelProto


def save_model(model: ModelProto, config: ModelConfig, path: Path) -> None:
    """Put the model's configuration into the file's metadata, check the graph and write it."""
    import onnx

    onnx.helper.set_model_props(model, {METADATA_KEY: config.to_json()})
    onnx.checker.check_model(model)
    onnx.save(model, path)


@contextmanager
def only_errors(logger: logging.Logger) -> Iterator[None]:
    """Keep a library's advice from the user, who cannot follow it."""
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
