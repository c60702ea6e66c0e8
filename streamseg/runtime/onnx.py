"""ONNX Runtime on the CPU: what ``pip install streamseg`` runs with."""

from __future__ import annotations

from pathlib import Path

from streamseg.config import ModelConfig
from streamseg.cores import usable_cores
from streamseg.errors import ConfigError, ModelError
from streamseg.results import Image, NetworkOutput
from streamseg.runtime.pictures import check_network_picture

METADATA_KEY = "streamseg"
"""Name of the ONNX metadata entry that holds the model's configuration as JSON."""


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
        self.description = (
            f"ONNX Runtime {onnxruntime.__version__}, CPU, {options.intra_op_num_threads} threads"
        )

    def run(self, image: Image) -> NetworkOutput:
        """Run the network on one picture.

        Args:
            image: RGB uint8 [H, W, 3], H and W multiples of 32.

        Returns:
            Embeddings [D, H/4, W/4] and logits [T, C+1, H/4, W/4], float32.

        Raises:
            InputError: wrong shape or dtype.
        """
        check_network_picture(image)
        embeddings, logits = self._session.run(["embeddings", "logits"], {"image": image[None]})
        return NetworkOutput(embeddings=embeddings[0], logits=logits[0])
