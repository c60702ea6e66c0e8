"""The plan of a frame's grouping on a GPU: launches, and the arrays that they use.

The result is the same as that of ``find_segments`` in numpy. A plan holds numbers only; torch on a
workstation and the CUDA driver in a vehicle run the same plan. It does not depend on the content of
a frame: only the GPU knows the seeds, and each array has room for ``max_instances``. So a plan is
made once, can be recorded as a CUDA graph, and is replayed for each frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamseg.config import ModelConfig
from streamseg.grouping.blocks import NUMPY_TYPES, Block, place_arrays
from streamseg.grouping.cpu import GroupingConfig, frame_position
from streamseg.kernels.choose_seeds.launch import choose_seeds_launch
from streamseg.kernels.decode_scores.launch import decode_scores_launch
from streamseg.kernels.group_pixels.launch import group_pixels_launch, plan
from streamseg.kernels.label_pixels.launch import label_pixels_launch
from streamseg.kernels.launch import Launch
from streamseg.kernels.list_instances.launch import list_instances_launch, relabel_launch
from streamseg.results import Segments

TABLE: Final = ("seed", "tau_index", "class_id", "area_px", "x0", "y0", "x1", "y1")
"""Columns of the result ``table``."""


@dataclass(frozen=True)
class MapShape:
    """The shape of a network's output for an image."""

    height: int
    """h"""
    width: int
    """w"""
    dims: int
    """D"""
    thresholds: int
    """T, the number of similarity thresholds tau."""
    classes: int
    """C"""
    dtype: str
    """dtype of the outputs: ``fp16`` or ``fp32``."""
    foreground_strides: tuple[int, int]
    """Steps from one threshold and one pixel to the next, in values. Embeddings are [h, w, D]."""
    class_strides: tuple[int, int]
    """Steps from one class and one pixel of the map of classes to the next."""

    @property
    def pixels(self) -> int:
        """Number of map pixels N."""
        return self.height * self.width

    @property
    def class_pixels(self) -> int:
        """Number of pixels of the map of classes, of half the size."""
        return (self.height + 1) // 2 * ((self.width + 1) // 2)


def network_shape(config: ModelConfig, size: tuple[int, int], dtype: str) -> MapShape:
    """Compute the shape of an exported network's output for images of one size.

    Args:
        config: of the model.
        size: width and height of the image in pixels.
        dtype: of the outputs, ``fp16`` or ``fp32``.
    """
    width, height = (side // config.stride for side in size)
    pixels = height * width
    return MapShape(
        height=height,
        width=width,
        dims=config.embedding_dim,
        thresholds=len(config.taus),
        classes=len(config.class_names),
        dtype=dtype,
        foreground_strides=(pixels, 1),
        class_strides=(pixels // 4, 1),
    )


@dataclass(frozen=True)
class FramePlan:
    """All work between the network's output and the list of instances."""

    scratch: Block
    """Intermediate results of a frame."""
    cleared: Block
    """Arrays that must be zeros at the start of each frame."""
    results: Block
    """Results for the host: ``label_map`` [H, W]; ``count`` [1] M; and in the first M rows the
    instances' ``table`` [K, 8], ``score`` [K] and ``embedding`` [K, D]."""
    launches: tuple[Launch, ...]
    """The launches in their order. Besides the blocks' arrays they use ``embeddings`` [h, w, D],
    ``foreground`` and ``classes`` of the network, and ``squared_radius`` [T]: ln(2/tau - 1)."""


def plan_frame(
    shape: MapShape, config: GroupingConfig, *, height: int, width: int, most_programs: int
) -> FramePlan:
    """Plan the grouping of frames of one size.

    Args:
        shape: of the network's output.
        config: which instances are kept.
        height: of the frame in pixels.
        width: of the frame in pixels.
        most_programs: how many programs of ``group_pixels`` can run at the same time.
    """
    seeds, pixels, dims = config.max_instances, shape.pixels, shape.dims
    item_bytes = NUMPY_TYPES[shape.dtype].itemsize
    pixel_plan = plan(pixels, dims, item_bytes, most_programs)
    least_area_px = max(1, ceil(config.min_area * height * width))
    launches = (
        decode_scores_launch(
            shape.thresholds,
            shape.classes,
            (shape.height, shape.width),
            shape.foreground_strides,
            shape.class_strides,
        ),
        group_pixels_launch(
            pixel_plan,
            pixels,
            dims,
            max_seeds=seeds,
            alpha=config.alpha,
            min_seediness=config.min_score,
            exclude_claimed=True,
        ),
        choose_seeds_launch(pixels, seeds, min_visible=config.min_visible),
        label_pixels_launch((shape.height, shape.width), dims, seeds, height=height, width=width),
        list_instances_launch(dims, seeds, height=height, width=width, least_area_px=least_area_px),
        relabel_launch(height * width),
    )
    kinds = {name: kind for launch in launches for name, kind in launch.pointers.items()}
    return FramePlan(
        scratch=place_arrays(
            kinds,
            seediness=(pixels,),
            tau_index=(pixels,),
            class_id=(pixels,),
            nearest_distance=(pixels,),
            seed_index=(seeds,),
            seed_count=(1,),
            masks=(seeds, pixels),
            order=(seeds,),
            chosen_index=(seeds,),
            chosen_radius=(seeds,),
            chosen_count=(1,),
            new_label=(seeds + 1,),
        ),
        cleared=place_arrays(
            kinds,
            keys=(seeds,),
            arrivals=(seeds,),
            taken=(pixels,),
            area_px=(seeds,),
            reach=(4, seeds),
            embedding_sum=(seeds, dims),
            members=(seeds,),
        ),
        results=place_arrays(
            kinds,
            label_map=(height, width),
            table=(seeds, len(TABLE)),
            score=(seeds,),
            embedding=(seeds, dims),
            count=(1,),
        ),
        launches=launches,
    )


def read_segments(
    results: Mapping[str, NDArray[Any]], taus: Sequence[float], shape: MapShape
) -> Segments:
    """Convert a frame's results.

    Args:
        results: the arrays of ``FramePlan.results`` in host memory; ``label_map`` is not copied.
        taus: T similarity thresholds of the network.
        shape: of the network's output.
    """
    label_map = results["label_map"]
    count = int(results["count"][0])
    row = dict(zip(TABLE, results["table"][:count].astype(np.int64).T, strict=True))
    return Segments(
        label_map=label_map,
        class_id=row["class_id"],
        score=results["score"][:count].copy(),
        box=np.stack([row[side] for side in ("x0", "y0", "x1", "y1")], axis=1),
        area_px=row["area_px"],
        seed_yx=frame_position(row["seed"], (shape.height, shape.width), *label_map.shape),
        tau=np.asarray(taus, np.float32)[row["tau_index"]],
        embedding=results["embedding"][:count].copy(),
    )
