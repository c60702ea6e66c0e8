"""Small releases, made without a network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from streamseg.config import ModelConfig
from streamseg.grouping.plan import network_shape
from streamseg.release.golden import Golden
from streamseg.release.manifest import (
    GOLDEN,
    TRUNK,
    KernelFile,
    Manifest,
    Release,
    open_release,
    sha256_of,
    write_manifest,
)
from streamseg.results import NetworkOutput

CONFIG = ModelConfig(
    trunk="test_efficientnet",
    embedding_dim=16,
    neck_channels=8,
    head_channels=8,
    class_names=("car", "person"),
)
SIZE = (64, 32)
SHAPE = network_shape(CONFIG, SIZE, "fp16")
MAX_INSTANCES = 64
TOLERANCE = {"relative": 0.02, "sure_agreement": 0.995}


def golden() -> Golden:
    """A picture with a car in it, as a network would see it."""
    rng = np.random.default_rng(0)
    embeddings = rng.normal(0, 0.05, (SHAPE.dims, SHAPE.height, SHAPE.width)).astype(np.float32)
    foreground = np.full((SHAPE.thresholds, SHAPE.height, SHAPE.width), -4, np.float32)
    classes = np.full((SHAPE.classes, SHAPE.height // 2, SHAPE.width // 2), 0.5, np.float32)
    embeddings[:, 2:6, 4:10] += 1
    foreground[:, 2:6, 4:10] = 4
    classes[0, 1:3, 2:5], classes[1, 1:3, 2:5] = 0.875, 0.125
    picture = rng.integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    return Golden(CONFIG, picture, NetworkOutput(embeddings, foreground, classes))


def write_release(folder: Path, kernels: list[KernelFile], trunk: bytes = b"a graph") -> Release:
    """A release of these kernels, which must lie in the folder."""
    (folder / TRUNK).write_bytes(trunk)
    golden().save(folder / GOLDEN)
    files = (TRUNK, GOLDEN, *(kernel.path for kernel in kernels))
    write_manifest(
        folder,
        Manifest(
            model=CONFIG,
            size=SIZE,
            precision="fp16",
            shape=SHAPE,
            max_instances=MAX_INSTANCES,
            targets=("orin",),
            kernels=tuple(kernels),
            sha256={name: sha256_of(folder / name) for name in files},
            tolerance=TOLERANCE,
        ),
    )
    return open_release(folder)
