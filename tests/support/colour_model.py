"""An ONNX model that needs no training: what ``ColourRuntime`` computes, as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from streamseg.config import ModelConfig
from streamseg.runtime.model_file import METADATA_KEY

CONFIG = ModelConfig(embedding_dim=3, class_names=("car", "person"))


def write_colour_model(path: Path) -> Path:
    """Saturated pixels are objects, cars where red exceeds blue; alike colours are one object."""

    def pool(side: int, name: str) -> onnx.NodeProto:
        window = [side, side]
        return helper.make_node(
            "AveragePool", ["planes"], [name], kernel_shape=window, strides=window
        )

    def node(kind: str, inputs: str, output: str, **attributes: Any) -> onnx.NodeProto:
        return helper.make_node(kind, inputs.split(), output.split(), **attributes)

    nodes = [
        node("Cast", "image", "float", to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
        pool(4, "cells"),
        node("Div", "cells sixteen", "embeddings"),
        node("ReduceMax", "cells channel", "largest"),
        node("ReduceMin", "cells channel", "smallest"),
        node("Sub", "largest smallest", "saturation"),
        node("Sub", "saturation grey", "above"),
        node("Clip", "above lowest highest", "logit"),
        node("Add", "logit half", "raised"),
        node("Concat", "logit raised logit logit", "foreground", axis=1),
        pool(8, "coarse"),
        node("Split", "coarse", "red green blue", axis=1, num_outputs=3),
        node("Sub", "red blue", "redness"),
        node("Sigmoid", "redness", "is_car"),
        node("Sub", "one is_car", "is_person"),
        node("Concat", "is_car is_person", "classes", axis=1),
    ]
    numbers = {"sixteen": 16, "grey": 64, "lowest": -1, "highest": 5, "half": 0.5, "one": 1}
    constants = [
        helper.make_tensor(name, TensorProto.FLOAT, [], [value]) for name, value in numbers.items()
    ]
    constants.append(helper.make_tensor("channel", TensorProto.INT64, [1], [1]))
    channels = {"embeddings": 3, "foreground": 4, "classes": 2}
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, "H", "W", 3])],
        [
            helper.make_tensor_value_info(
                name, TensorProto.FLOAT, [1, count, f"{name}_h", f"{name}_w"]
            )
            for name, count in channels.items()
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    helper.set_model_props(model, {METADATA_KEY: CONFIG.to_json()})
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path
