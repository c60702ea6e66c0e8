"""What the tests of the device do on the fake driver: ``python device_scenarios.py NAME KIND``.

Each scenario prints what the test compares, as JSON.
"""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
from fake_cuda.cubin_file import cubin_file

from streamseg.errors import StreamsegError
from streamseg.vehicle.cuda import Argument, Device, Function, open_device

SIZES = (8, 8, 4, 4, 1, 8, 8)
ARGUMENTS = (
    Argument("x", "*fp16", divisible_by_16=True),
    Argument("out", "*fp16"),
    Argument("pixels", "i32"),
    Argument("alpha", "fp32"),
    Argument("flag", "i1"),
)
CUBIN = cubin_file({"sample": SIZES})


def facts(kind: str) -> Any:
    with open_device(kind) as device:
        return {**asdict(device.facts), "sm": device.facts.architecture, "is": device.description}


def stacks(kind: str) -> Any:
    """The device is current several times over, and in a second thread; then a second device."""
    seen: list[Any] = []
    for _ in range(2):
        with open_device(kind) as device:
            with device.current(), device.current():
                buffer = device.allocate(16)
                thread = threading.Thread(target=use, args=(device, seen))
                thread.start()
                thread.join()
            buffer.release()
            buffer.release()
            seen.append(device.live())
    return seen


def use(device: Device, seen: list[Any]) -> None:
    with device.current():
        seen.append(device.allocate(32).size_bytes)


class Slot:
    """What one image needs on its way."""

    def __init__(self, device: Device, function: Function) -> None:
        self.source, self.target = (device.pinned((2, 6), np.float16) for _ in range(2))
        self.buffer = device.allocate(self.source.array.nbytes)
        pointer = self.buffer.pointer
        self.arguments = function.signature.pack(pointer, pointer, 12, 2.5, True)
        self.arrived, self.ran, self.done = (device.event() for _ in range(3))


def ring(kind: str) -> Any:
    """Six images through two slots and three streams; the kernel would change nothing."""
    with open_device(kind) as device, device.current():
        up, run, down = (device.stream() for _ in range(3))
        function = device.load(CUBIN).function("sample", ARGUMENTS, shared_bytes=60_000)
        slots = [Slot(device, function) for _ in range(2)]
        results, pointers = [], []
        for index in range(6):
            slot = slots[index % 2]
            slot.done.synchronize()
            if index >= 2:
                results.append(slot.target.array.tolist())
            slot.source.array[...] = index
            device.upload(slot.source, slot.buffer, up)
            slot.arrived.record(up)
            run.wait(slot.arrived)
            function.launch((12, 3, 1), slot.arguments, run)
            slot.ran.record(run)
            down.wait(slot.ran)
            device.download(slot.buffer, slot.target, down)
            slot.done.record(down)
            pointers.append(slot.buffer.pointer)
        function.launch((0, 1, 1), slots[0].arguments, run)
        streams = [stream.handle for stream in (up, run, down)]
        return {"results": results, "pointers": pointers, "streams": streams}


def cooperative(kind: str) -> Any:
    with open_device(kind) as device, device.current():
        function = device.load(CUBIN).function("sample", ARGUMENTS, cooperative=True)
        arguments = function.signature.pack(512, 1, -1, 0.1, False)
        stream = device.stream()
        most = function.most_blocks()
        function.launch((most, 1, 1), arguments, stream)
        return [most, refusal(lambda: function.launch((most + 1, 1, 1), arguments, stream))]


def graphs(kind: str) -> Any:
    """A graph of a copy, a launch and a copy back, for two contents of the same memory."""
    with open_device(kind) as device, device.current():
        stream = device.stream()
        function = device.load(CUBIN).function("sample", ARGUMENTS)
        source, target = (device.pinned((4,), np.int32) for _ in range(2))
        buffer = device.allocate(16)
        arguments = function.signature.pack(buffer.pointer, 0, 4, 0.0, False)

        def work() -> None:
            device.upload(source, buffer, stream)
            function.launch((4, 1, 1), arguments, stream)
            device.download(buffer, target, stream)

        target.array[...] = 0
        graph = device.capture(stream, work)
        seen = [target.array.tolist()]
        for value in (3, 4):
            source.array[...] = value
            graph.launch(stream)
            stream.synchronize()
            seen.append(target.array.tolist())
        graph.release()
        return {"seen": seen, "live": device.live()}


def broken_graphs(kind: str) -> Any:
    """What cannot be recorded is refused, and the stream works afterwards."""
    with open_device(kind) as device, device.current():
        stream = device.stream()

        def raises() -> None:
            raise StreamsegError("of the work itself")

        works: list[Callable[[], object]] = [
            stream.synchronize,
            lambda: device.allocate(8),
            raises,
        ]
        messages = [refusal(partial(device.capture, stream, work)) for work in works]
        device.capture(stream, lambda: None).launch(stream)
        return {"messages": messages, "live": device.live()}


def memory(kind: str) -> Any:
    with open_device(kind) as device, device.current():
        stream = device.stream()
        constant = device.constant(np.arange(6, dtype=np.uint8).reshape(2, 3)[:, ::2])
        target = device.pinned((4,), np.uint8)
        device.download(constant, target, stream)
        found = [target.array.tolist()]
        device.zero(constant, stream)
        device.download(constant, target, stream)
        found.append(target.array.tolist())
        empty = device.allocate(0)
        device.zero(empty, stream)
        found.append([empty.size_bytes, bool(empty.pointer)])
        return {"found": found, "live": device.live()}


def timing(kind: str) -> Any:
    with open_device(kind) as device, device.current():
        stream = device.stream()
        begin, end = (device.event(timing=True) for _ in range(2))
        plain = device.event()
        begin.record(stream)
        end.record(stream)
        plain.record(stream)
        end.synchronize()
        return [begin.milliseconds_until(end), refusal(lambda: begin.milliseconds_until(plain))]


def out_of_memory(kind: str) -> Any:
    """The third allocation fails, as the test asks the driver to."""
    try:
        with open_device(kind) as device, device.current():
            device.stream()
            device.event()
            device.pinned((8,), np.uint8)
            device.load(CUBIN)
            for _ in range(3):
                device.allocate(1 << 20)
    except StreamsegError as error:
        return [message(error), device.live()]
    return None


def failing_close(kind: str) -> Any:
    """Everything is given back though the driver refuses to wait, as the test asks it to."""
    device = open_device(kind)
    with device.current():
        device.allocate(8)
        device.stream()
    return [refusal(device.close), device.live(), refusal(device.close)]


def misuse(kind: str) -> Any:
    device = open_device(kind)
    other = open_device(kind)
    with other.current():
        foreign = other.stream()
    outside = [
        refusal(lambda: device.allocate(8)),
        refusal(device.stream),
        refusal(lambda: device.load(CUBIN)),
        refusal(foreign.synchronize),
    ]
    with device.current():
        released, stream, event = device.stream(), device.stream(), device.event()
        released.release()
        small, large = device.allocate(8), device.pinned((9,), np.uint8)
        module = device.load(CUBIN)
        function = module.function("sample", ARGUMENTS)
        inside = {
            "released": refusal(released.synchronize),
            "foreign": refusal(lambda: event.record(foreign)),
            "too small": refusal(lambda: device.upload(large, small, stream)),
            "negative": refusal(lambda: device.allocate(-1)),
            "other GPU": refusal(lambda: device.load(cubin_file({"k": (8,)}, architecture=110))),
            "no cubin": refusal(lambda: device.load(b"PTX")),
            "no kernel": refusal(lambda: module.function("other", ARGUMENTS)),
            "other arguments": refusal(lambda: module.function("sample", ARGUMENTS[1:])),
            "shared": refusal(lambda: module.function("sample", ARGUMENTS, shared_bytes=170_000)),
            "bytes": refusal(lambda: function.launch((1, 1, 1), b"1234", stream)),
        }
        module.release()
        packed = function.signature.pack(0, 0, 0, 0.0, False)
        inside["unloaded"] = refusal(lambda: function.launch((1, 1, 1), packed, stream))
    other.close()
    device.close()
    device.close()
    closed = [
        refusal(lambda: use(device, [])),
        refusal(stream.synchronize),
        refusal(stream.release),
    ]
    return {"outside": outside, "inside": inside, "closed": closed}


def left_open(kind: str) -> Any:
    """Three things are left to ``close``."""
    with open_device(kind) as device, device.current():
        device.allocate(8)
        device.stream()
        device.event()


def close_within(kind: str) -> Any:
    """Closed while still current: the exits of ``current`` have nothing left to do."""
    device = open_device(kind)
    with device.current(), device.current():
        device.stream()
        device.close()
    with open_device(kind) as again, again.current():
        again.stream()
    return again.live()


def error_under_way(kind: str) -> Any:
    """Closing fails too: the first error is raised, the second one is logged."""
    logged = io.StringIO()
    logging.basicConfig(stream=logged, format="%(message)s")

    def work() -> None:
        with open_device(kind) as device, device.current():
            device.stream()
            raise StreamsegError("the first")

    return [refusal(work), logged.getvalue().strip()]


def refusal(work: Callable[[], Any]) -> str | None:
    try:
        work()
    except StreamsegError as error:
        return message(error)
    return None


def message(error: StreamsegError) -> str:
    return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    name, kind = sys.argv[1:]
    print(json.dumps(globals()[name](kind)))
