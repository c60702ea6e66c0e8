"""Contents of a streamseg ONNX file: names of outputs, and the model's configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamseg.config import ModelConfig
from streamseg.errors import ConfigError, ModelError
from streamseg.results import NetworkOutput

METADATA_KEY: Final = "streamseg"
"""Name of the ONNX metadata entry that holds the model's configuration as JSON."""
EMBEDDINGS, FOREGROUND, CLASSES = "embeddings", "foreground", "classes"
"""Names of the outputs, [1, D, h, w], [1, T, h, w] and [1, C, h/2, w/2]; see ``NetworkOutput``."""
CHANNELS_LAST: Final = "embeddings_channels_last"
"""Name of embeddings [1, h, w, D]: another name, so that the layouts cannot be confused."""


def output_names(names: Iterable[str]) -> tuple[str, str, str]:
    """Choose the outputs to compute among all those of a file: embeddings, foreground, classes."""
    return (CHANNELS_LAST if CHANNELS_LAST in names else EMBEDDINGS, FOREGROUND, CLASSES)


def configuration(metadata: str | None, path: Path) -> ModelConfig:
    """Read the model's configuration.

    Args:
        metadata: the file's entry ``METADATA_KEY``, None if it has none.
        path: of the file, for messages.

    Raises:
        ModelError: the file was not exported by streamseg, or by another version of it.
    """
    if metadata is None:
        raise ModelError(f"{path} was not exported by streamseg: it has no configuration")
    try:
        return ModelConfig.from_json(metadata)
    except ConfigError as error:
        raise ModelError(f"{path}: {error}; it needs another version of streamseg") from error


def network_output(
    outputs: Mapping[str, NDArray[np.floating[Any]]], classes: Sequence[int]
) -> NetworkOutput:
    """Convert the outputs of a file to a ``NetworkOutput``.

    Args:
        outputs: by name: ``EMBEDDINGS`` [1, D, h, w] or ``CHANNELS_LAST`` [1, h, w, D];
            ``FOREGROUND`` [1, T, h, w]; ``CLASSES`` [1, C, h/2, w/2].
        classes: positions of the selected classes.
    """
    if CHANNELS_LAST in outputs:
        embeddings = outputs[CHANNELS_LAST].transpose(0, 3, 1, 2)
    else:
        embeddings = outputs[EMBEDDINGS]
    maps = (embeddings[0], outputs[FOREGROUND][0], outputs[CLASSES][0, classes])
    return NetworkOutput(*(np.ascontiguousarray(values, np.float32) for values in maps))
