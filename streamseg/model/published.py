"""Load the published weights of PP-PicoDet, whose channels are in another order.

See ``streamseg.model.esnet`` for the reason.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast
from zipfile import BadZipFile

import numpy as np
import torch
from torch import nn

from streamseg.errors import ModelError
from streamseg.model.esnet import Block, Stage
from streamseg.model.picodet import SIZES, PicoDet


def load_published(trunk: nn.Module, path: Path) -> None:
    """Load the weights of a published detector into a trunk.

    Args:
        trunk: a ``PicoDet`` of the same size.
        path: NumPy archive with ``NAME.weight`` and ``NAME.bias``, float32, of every convolution in
            the order of the published graph, batch norms folded.

    Raises:
        ModelError: missing, no such archive, or of another network.
    """
    if not isinstance(trunk, PicoDet):
        raise ModelError(f"{path} is for the trunks {', '.join(SIZES)} only")
    try:
        with path.open("rb") as file, np.load(file) as archive:
            arrays = [(key, archive[key]) for key in archive.files]
    except FileNotFoundError as error:
        raise ModelError(f"{path} does not exist") from error
    except (OSError, ValueError, EOFError, BadZipFile, TypeError, AttributeError) as error:
        raise ModelError(f"{path} is not a NumPy archive: {error}") from error
    parameters = list(trunk.named_parameters())
    if len(arrays) != len(parameters):
        raise ModelError(
            f"{path} holds {len(arrays)} tensors, this trunk has {len(parameters)}: "
            f"it is of another network"
        )
    with torch.no_grad():
        for (key, array), (name, parameter) in zip(arrays, parameters, strict=True):
            if array.shape != tuple(parameter.shape):
                raise ModelError(
                    f"{path}: {key} has shape {array.shape}, {name} needs {tuple(parameter.shape)}"
                )
            parameter.copy_(torch.from_numpy(array))
    reorder(trunk)


def reorder(trunk: PicoDet) -> None:
    """Bring weights from the published order of channels into that of ``ESNet``, in place."""
    stages = [cast(Stage, stage) for stage in trunk.backbone.stages]
    for index, stage in enumerate(stages):
        outputs = _reorder_stage(stage)
        _permute(trunk.pyramid.lateral[index], inputs=outputs)
        if stage is not stages[-1]:
            following = stages[index + 1].down
            _permute(following.left_depthwise, outputs=outputs)
            _permute(following.left_pointwise, inputs=outputs)
            _permute(following.pointwise, inputs=outputs)


def _reorder_stage(stage: Stage) -> list[int]:
    """Reorder inside a stage; return the published index of each channel of its output."""
    producers = (stage.down.merge_pointwise, *(cast(Block, b).project for b in stage.blocks))
    for number, unit in enumerate(producers):
        read = [i for reads in stage.reads for producer, i in reads if producer == number]
        _permute(unit, outputs=read)
    # what is read lies in the order of its producers
    *orders, outputs = [sorted(range(len(r)), key=lambda i: r[i][0]) for r in stage.reads]
    for block, order in zip(stage.blocks, orders, strict=True):
        _permute(cast(Block, block).pointwise, inputs=order)
    return outputs


def _permute(
    unit: nn.Module, *, inputs: list[int] | None = None, outputs: list[int] | None = None
) -> None:
    """Permute the channels of a unit's convolution, in place."""
    convolution = cast(nn.Conv2d, cast(nn.Sequential, unit)[0])
    assert convolution.bias is not None
    with torch.no_grad():
        if inputs is not None:
            convolution.weight.copy_(convolution.weight[:, inputs])
        if outputs is not None:
            convolution.weight.copy_(convolution.weight[outputs])
            convolution.bias.copy_(convolution.bias[outputs])
