"""A picture and what the network must say of it: how a vehicle knows that its engine is right."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from streamseg.config import ModelConfig
from streamseg.errors import InputError, ModelError
from streamseg.results import Image, NetworkOutput


class Golden:
    """What torch said at float32, kept in half precision: a ``Runtime`` for one picture."""

    def __init__(self, config: ModelConfig, picture: Image, output: NetworkOutput) -> None:
        """Keep a picture, RGB uint8 [H, W, 3], and the output for it."""
        self.config = config
        self.picture = picture
        self.size = picture.shape[1], picture.shape[0]
        self.description = "golden outputs"
        self._output = output

    def run(self, image: Image) -> NetworkOutput:
        """The output that was kept.

        Raises:
            InputError: this is another picture.
        """
        if not np.array_equal(image, self.picture):
            raise InputError("golden outputs are known of the golden picture only")
        return self._output

    def close(self) -> None:
        """No-op: nothing is held on a device."""

    def save(self, path: Path) -> None:
        """Write an .npz file: ``picture`` and the network's outputs."""
        np.savez_compressed(
            path,
            picture=self.picture,
            **{name: values.astype(np.float16) for name, values in vars(self._output).items()},
        )


def load_golden(path: Path, config: ModelConfig) -> Golden:
    """Read what ``save`` wrote; never unpickles.

    Raises:
        ModelError: the file is missing or something else.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = (field.name for field in fields(NetworkOutput))
            output = NetworkOutput(**{name: arrays[name].astype(np.float32) for name in names})
            return Golden(config, arrays["picture"], output)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise ModelError(f"{path} holds no golden outputs: {error}") from None
