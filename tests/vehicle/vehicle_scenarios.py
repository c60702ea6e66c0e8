"""What tests of the vehicle do on the fake driver: ``python vehicle_scenarios.py NAME RELEASE``.

Kernels do not run there. In their place numpy groups, and writes to where the kernels would.
"""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_tensorrt
import numpy as np
from release_files import CONFIG, MAX_INSTANCES, golden

from streamseg.errors import StreamsegError
from streamseg.grouping.blocks import NUMPY_TYPES
from streamseg.grouping.cpu import GroupingConfig, find_segments
from streamseg.grouping.plan import TABLE
from streamseg.results import Segments
from streamseg.segmenter import Segmenter
from streamseg.vehicle import runtime as vehicle_runtime
from streamseg.vehicle import slot as vehicle_slot
from streamseg.vehicle.check import check_on_device
from streamseg.vehicle.cuda import Stream
from streamseg.vehicle.runtime import VehicleRuntime

GROUPING = GroupingConfig(max_instances=MAX_INSTANCES)


class NumpySlot(vehicle_slot.Slot):
    """After the launches numpy does what they stand for."""

    def compute(self, stream: Stream) -> None:
        super().compute(stream)
        arrays = self._plan.results.arrays
        height, width = arrays["label_map"].shape
        found = expected(height, width)
        y, x = ((found.seed_yx + 0.5) * (8 / height, 16 / width)).astype(int).T
        rows = {
            "seed": 16 * y + x,
            "tau_index": np.searchsorted(CONFIG.taus, found.tau - 1e-6),
            "class_id": found.class_id,
            "area_px": found.area_px,
            **dict(zip(("x0", "y0", "x1", "y1"), found.box.T, strict=True)),
        }
        content = {
            "label_map": found.label_map,
            "count": np.array([len(found)]),
            "table": np.stack([rows[name] for name in TABLE], axis=1),
            # so that a score tells which image it is of
            "score": found.score * (self.network.staged.array.flat[0] / golden().image.flat[0]),
            "embedding": found.embedding,
        }
        for name, values in content.items():
            packed = np.ascontiguousarray(values, NUMPY_TYPES[arrays[name].kind])
            address = self.results.pointer + arrays[name].offset
            ctypes.memmove(address, packed.ctypes.data, packed.nbytes)


def expected(height: int, width: int) -> Segments:
    made = golden()
    return find_segments(made.run(made.image), CONFIG.taus, GROUPING, height=height, width=width)


def opened(folder: Path) -> VehicleRuntime:
    return VehicleRuntime(folder, device="cuda-bindings", tensorrt=fake_tensorrt.tensorrt)


def images(folder: Path) -> Any:
    """Five images, two under way at a time, then one of another frame size."""
    right = []
    with opened(folder) as runtime:
        image = golden().image
        under_way = [runtime.submit(image, GROUPING, height=40, width=60)]
        for number in range(5):
            height = 40 if number < 4 else 30
            under_way.append(runtime.submit(image, GROUPING, height=height, width=60))
            right.append(is_expected(under_way.pop(0).fetch()[0]))
        segments, network_ms, grouping_ms = under_way.pop().fetch()
        right.append(is_expected(segments))
        addresses = runtime._slots[GROUPING, 40, 60][1].addresses
        streams = [s.handle for s in (runtime._upload, runtime._compute, runtime._download)]
        memory = runtime.memory_bytes
    return {
        "right": right,
        "times": [network_ms, grouping_ms],
        "addresses": addresses,
        "streams": streams,
        "memory": memory,
    }


def in_turn(folder: Path) -> Any:
    """Numbers of five images of two frame sizes, all submitted, then all fetched."""
    under_way = []
    with opened(folder) as runtime:
        for number in range(5):
            image = golden().image
            image.flat[0] = number + 1
            height = 40 - 10 * (number % 2)
            under_way.append(runtime.submit(image, GROUPING, height=height, width=60))
        found = [pending.fetch()[0] for pending in under_way]
    first = golden().image.flat[0]
    return [float(first * f.score[0] / expected(*f.label_map.shape).score[0]) for f in found]


def is_expected(found: Segments) -> bool:
    wanted = expected(*found.label_map.shape)
    return len(found) == len(wanted) > 0 and all(
        np.allclose(getattr(found, name), getattr(wanted, name))
        for name in ("label_map", "class_id", "score", "box", "area_px", "tau", "embedding")
    )


def stream(folder: Path) -> Any:
    """A video through the whole chain."""
    with Segmenter(opened(folder), grouping=GROUPING) as segmenter:
        results = list(segmenter.stream("test-pattern:60x40?frames=4"))
    return [[instance.name for instance in result.instances] for result in results]


def check(folder: Path) -> Any:
    """``streamseg check``."""
    sys.modules["tensorrt"] = fake_tensorrt.tensorrt
    return list(check_on_device(folder, frames=5))


def refused(folder: Path) -> Any:
    """TensorRT refuses to run."""
    fake_tensorrt.Context.refuses = True
    return images(folder)


def other_size(folder: Path) -> Any:
    """An image that was not exported for, then one of a size without kernels."""
    errors = []
    with opened(folder) as runtime:
        for image, width in ((np.zeros((32, 32, 3), np.uint8), 60), (golden().image, 6000)):
            try:
                runtime.submit(image, GROUPING, height=40, width=width)
            except StreamsegError as error:
                errors.append(str(error))
    return errors


if __name__ == "__main__":
    setattr(vehicle_runtime, "Slot", NumpySlot)  # noqa: B010
    scenario: Callable[[Path], Any] = globals()[sys.argv[1]]
    try:
        print(json.dumps(scenario(Path(sys.argv[2]))))
    except StreamsegError as error:
        print(json.dumps(f"{type(error).__name__}: {error}"))
