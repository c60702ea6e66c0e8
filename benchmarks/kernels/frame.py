"""Time the whole grouping of a frame on a GPU, as in ``CudaRuntime``.

Part of ``python -m benchmarks.kernels``: a memset and six launches, from the network's output to
labels and the list of instances, launched one by one and as a CUDA graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeAlias

import torch

from benchmarks.kernels.group_pixels import DIMS, MAPS, QUICK_MAP, time_in_turns
from streamseg.grouping.cpu import GroupingConfig, find_segments
from streamseg.grouping.gpu import DeviceGrouper
from streamseg.kernels.testing.cases import Case, street
from streamseg.results import NetworkOutput

CONFIG = GroupingConfig()
Output: TypeAlias = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Embeddings [h, w, D], foreground [T, h, w], classes [C, ceil(h/2), ceil(w/2)]."""


def measure(device: torch.device, *, quick: bool = False) -> Iterator[dict[str, Any]]:
    """Check and time every size.

    Args:
        device: where.
        quick: only a small map.

    Yields:
        For each map and D the number of instances and the milliseconds: p20, median and p80.

    Raises:
        AssertionError: other instances than numpy's were found.
    """
    for map_height, map_width in (QUICK_MAP,) if quick else MAPS:
        for dims in DIMS:
            case = street(map_height, map_width, dims=dims)
            group, output = prepared(case, device)
            calls: dict[str, Callable[[], object]] = {"launch by launch": partial(group, *output)}
            instances = check(case, group, output)
            if device.type == "cuda":
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph):
                    group(*output)
                calls["recorded"] = graph.replay
            yield {
                "map": (map_height, map_width),
                "dims": dims,
                "frame": (case.height, case.width),
                "instances": instances,
                "ms": time_in_turns(calls, device),
            }


def prepared(case: Case, device: torch.device) -> tuple[DeviceGrouper, Output]:
    """Make a grouper and its input, in the layout of the network's output."""
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    embeddings, foreground, classes = (
        torch.from_numpy(values).to(device, dtype).permute(1, 2, 0).contiguous()
        for values in (case.embeddings, case.foreground, case.classes)
    )
    output = embeddings, foreground.permute(2, 0, 1), classes.permute(2, 0, 1)
    taus = case.taus.tolist()
    group = DeviceGrouper(*output, taus, CONFIG, height=case.height, width=case.width)
    return group, output


def check(case: Case, group: DeviceGrouper, output: Output) -> int:
    """Compare with numpy on the same rounded values.

    Returns:
        Number of instances.

    Raises:
        AssertionError: they differ.
    """
    group(*output)
    found = group.read(group.results.cpu())
    planes = output[0].permute(2, 0, 1), *output[1:]
    exact = NetworkOutput(*(values.float().contiguous().cpu().numpy() for values in planes))
    expected = find_segments(
        exact, case.taus.tolist(), CONFIG, height=case.height, width=case.width
    )
    same = found.class_id.tolist() == expected.class_id.tolist()
    if not same or (found.label_map == expected.label_map).mean() < 0.999:
        raise AssertionError("the GPU finds other instances in the frame than numpy")
    return len(found)


def table_row(row: dict[str, Any]) -> str:
    """One row as a line of text."""
    height, width = row["map"]
    text = f"{height:>4}x{width:<4} D={row['dims']:<3} {row['instances']:>3} instances"
    for name, ms in row["ms"].items():
        text += f", {name} {ms['median']:.3f} ms ({ms['p20']:.3f}..{ms['p80']:.3f})"
    return text
