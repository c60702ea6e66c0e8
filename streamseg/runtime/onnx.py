"""ONNX Runtime on the CPU: what ``pip install streamseg`` runs with."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from streamseg.config import ModelConfig
from streamseg.cores import usable_cores
from streamseg.errors import ConfigError, InputError, ModelError
from streamseg.results import Image, NetworkOutput
from streamseg.runtime.pictures import check_network_picture

METADATA_KEY = "streamseg"
"""Name of the ONNX metadata entry that holds the model's configuration as JSON."""
EMBEDDINGS, LOGITS = "embeddings", "logits"
"""Names of the outputs, [1, D, h, w] and [1, T, C+1, h, w]."""
CHANNELS_LAST = "embeddings_channels_last"
"""Name of embeddings [1, h, w, D], so that nobody takes one for the other."""


class OnnxRuntime:
    """A model file in ONNX Runtime."""

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        """Load a model.

        Args:
            path: an ONNX file that streamseg exported.
            threads: for one run of the network; all CPU cores if None.

        Raises:
            ModelError: the file is missing, not ONNX, or not exported by streamseg.
        """
        import onnxruntime
        from onnxruntime.capi.onnxruntime_pybind11_state import (
            Fail,
            InvalidArgument,
            InvalidGraph,
            InvalidProtobuf,
            NotImplemented,
        )

        if not path.is_file():
            raise ModelError(f"model file {path} does not exist")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or usable_cores()
        options.log_severity_level = 3
        # idle threads must not spin: decoding and grouping run beside the network
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NotImplemented) as error:
            raise ModelError(f"{path} is not an ONNX model that can be run: {error}") from error
        metadata = self._session.get_modelmeta().custom_metadata_map
        if METADATA_KEY not in metadata:
            raise ModelError(f"{path} was not exported by streamseg: it holds no configuration")
        try:
            self.config = ModelConfig.from_json(metadata[METADATA_KEY])
        except ConfigError as error:
            raise ModelError(f"{path}: {error}; it needs another version of streamseg") from error
        shape = self._session.get_inputs()[0].shape
        self.size: tuple[int, int] | None = None
        """Width and height in pixels of the only pictures that the file takes."""
        if all(isinstance(side, int) for side in shape[1:3]):
            self.size = shape[2], shape[1]
        names = [output.name for output in self._session.get_outputs()]
        self._outputs = [CHANNELS_LAST if CHANNELS_LAST in names else EMBEDDINGS, LOGITS]
        self.description = (
            f"ONNX Runtime {onnxruntime.__version__}, CPU, {options.intra_op_num_threads} threads"
        )

    def check(self, image: Image) -> None:
        """Refuse a picture that ``run`` would not take.

        Raises:
            InputError: wrong shape or dtype, or a size that the file was not exported for.
        """
        check_network_picture(image)
        height, width = image.shape[:2]
        if self.size and self.size != (width, height):
            raise InputError(
                f"the model was exported for pictures of {self.size[0]}x{self.size[1]} only, "
                f"got {width}x{height}"
            )

    def run(self, image: Image) -> NetworkOutput:
        """Run the network on one picture.

        Args:
            image: RGB uint8 [H, W, 3], H and W multiples of 32.

        Returns:
            Embeddings [D, H/4, W/4] and logits [T, C+1, H/4, W/4], float32 whatever the file's
            precision.

        Raises:
            InputError: wrong shape or dtype, or a size that the file was not exported for.
        """
        self.check(image)
        embeddings, logits = self._session.run(self._outputs, {"image": image[None]})
        if self._outputs[0] == CHANNELS_LAST:
            embeddings = embeddings.transpose(0, 3, 1, 2)
        return NetworkOutput(
            embeddings=np.ascontiguousarray(embeddings[0], np.float32),
            logits=np.ascontiguousarray(logits[0], np.float32),
        )
