"""From a model file, or the shipped one, to a segmenter or at once to results."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from streamseg.chain import OnResult
from streamseg.events import OnEvent
from streamseg.grouping import GroupingConfig
from streamseg.lanes import SourceLike
from streamseg.runtime.choose import open_runtime
from streamseg.segmenter import Segmenter
from streamseg.streaming import Stream
from streamseg.video.options import SourceOptions

SHIPPED_MODEL: Final = Path(__file__).parent / "weights" / "lite.onnx"


def load(
    model: str | os.PathLike[str] | None = None,
    *,
    size: tuple[int, int] | None = None,
    max_pixels: int | None = None,
    threads: int | None = None,
    min_score: float = 0.5,
    runtime: str = "auto",
) -> Segmenter:
    """Load a model.

    Args:
        model: an ONNX file that ``streamseg train`` exported, or the weights beside it, or the
            folder of a release; the shipped model if None.
        size: width and height of the network's input in pixels; see ``Segmenter``.
        max_pixels: most pixels of the network's input; see ``Segmenter``.
        threads: for the network; all CPU cores if None.
        min_score: instances less likely than this are left out.
        runtime: ``onnx`` or ``openvino`` (extra ``openvino``) on the CPU, ``cuda`` (extra ``gpu``)
            on an NVIDIA GPU, ``tensorrt`` (extra ``vehicle``) for a release, or ``auto``: that for
            a release, else the fastest of those that are installed and can run.

    Raises:
        ModelError: the file is missing or no model of ours.
        ConfigError: a value is out of range, or the runtime cannot run here.
        MissingExtraError: the runtime is not installed.
    """
    grouping = GroupingConfig(min_score=min_score)
    opened = open_runtime(Path(model or SHIPPED_MODEL), runtime, threads=threads)
    return Segmenter(opened, size=size, max_pixels=max_pixels, grouping=grouping)


def stream(
    sources: SourceLike | Iterable[SourceLike],
    *,
    policy: str | None = None,
    options: SourceOptions | None = None,
    on_event: OnEvent | None = None,
    on_result: OnResult | None = None,
) -> Stream:
    """Segment with the shipped model: ``load().stream(...)``, where the arguments are explained."""
    return load().stream(
        sources, policy=policy, options=options, on_event=on_event, on_result=on_result
    )
