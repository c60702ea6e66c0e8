"""Golden outputs: an image and the network's outputs for it, with which an engine is checked."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from streamseg.config import ModelConfig
from streamseg.errors import InputError, ModelError
from streamseg.frame import Image
from streamseg.results import NetworkOutput


class Golden:
    """Outputs of torch at float32, stored in half precision: a ``Runtime`` for one image."""

    def __init__(self, config: ModelConfig, image: Image, output: NetworkOutput) -> None:
        """Store an image, RGB uint8 [H, W, 3], and its outputs."""
        self.config = config
        self.image = image
        self.size = image.shape[1], image.shape[0]
        self.description = "golden outputs"
        self._output = output

    def run(self, image: Image) -> NetworkOutput:
        """Return the stored outputs.

        Raises:
            InputError: this is another image.
        """
        if not np.array_equal(image, self.image):
            raise InputError("golden outputs exist for the golden image only")
        return self._output

    def close(self) -> None:
        """No-op: there are no device resources."""

    def save(self, path: Path) -> None:
        """Write an .npz file: ``image`` and the network's outputs."""
        np.savez_compressed(
            path,
            image=self.image,
            **{name: values.astype(np.float16) for name, values in vars(self._output).items()},
        )


def load_golden(path: Path, config: ModelConfig) -> Golden:
    """Read what ``save`` wrote; never unpickles.

    Raises:
        ModelError: the file is missing, or holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = (field.name for field in fields(NetworkOutput))
            output = NetworkOutput(**{name: arrays[name].astype(np.float32) for name in names})
            return Golden(config, arrays["image"], output)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise ModelError(f"{path} holds no golden outputs: {error}") from None
