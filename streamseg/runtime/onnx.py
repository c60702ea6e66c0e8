"""ONNX Runtime on the CPU, which ``pip install streamseg`` installs."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from streamseg.classes import Classes
from streamseg.cores import usable_cores
from streamseg.errors import ModelError
from streamseg.frame import Image
from streamseg.results import NetworkOutput
from streamseg.runtime.base import check_network_image
from streamseg.runtime.model_file import (
    METADATA_KEY,
    configuration,
    network_output,
    output_names,
)


class OnnxRuntime:
    """A model file in ONNX Runtime."""

    def __init__(
        self, path: Path, *, threads: int | None = None, classes: Classes | None = None
    ) -> None:
        """Load a model.

        Args:
            path: an ONNX file that streamseg exported.
            threads: CPU threads of the network; one for each core if None.
            classes: the classes to find, see ``load``; all of the model if None.

        Raises:
            ConfigError: the model does not know a class.
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
        # idle threads must not spin: decoding and grouping run at the same time
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path),
                options,
                providers=["CPUExecutionProvider"],
                # it quantizes biases that are in half precision, with scales that are too small
                # for that: 8-bit files for TensorRT would give wrong outputs
                disabled_optimizers=["WeightBiasQuantization"],
            )
        except (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NotImplemented) as error:
            raise ModelError(f"{path} is not an ONNX model that can be run: {error}") from error
        metadata = self._session.get_modelmeta().custom_metadata_map
        config = configuration(metadata.get(METADATA_KEY), path)
        self.config, self._classes = config.select(classes)
        shape = self._session.get_inputs()[0].shape
        self.size: tuple[int, int] | None = None
        """Width and height in pixels of the images that the file takes; None if it takes any."""
        if all(isinstance(side, int) for side in shape[1:3]):
            self.size = shape[2], shape[1]
        self._outputs = output_names(output.name for output in self._session.get_outputs())
        self.threads = options.intra_op_num_threads
        self.description = f"ONNX Runtime {onnxruntime.__version__}, CPU, threads: {self.threads}"
        self._with_threads = partial(OnnxRuntime, path, classes=classes)

    def divided(self, count: int) -> OnnxRuntime:
        """Load the network for several images at the same time; see ``DivisibleRuntime``."""
        return self._with_threads(threads=self.threads // count)

    def run(self, image: Image) -> NetworkOutput:
        """Run the network on one image; several threads may do so.

        Args:
            image: RGB uint8 [H, W, 3], H and W multiples of 32.

        Returns:
            Float32 for any precision of the file.

        Raises:
            InputError: wrong shape or dtype, or a size that the file was not exported for.
        """
        check_network_image(image, self.size)
        outputs = self._session.run(self._outputs, {"image": image[None]})
        return network_output(dict(zip(self._outputs, outputs, strict=True)), self._classes)

    def close(self) -> None:
        """No-op: nothing is held on a device."""
