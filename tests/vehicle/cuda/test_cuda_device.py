"""The whole device interface, on a driver without a GPU."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import fake_cuda
import pytest
from fake_cuda import Call, Run
from needed_in_ci import skip_unless_in_ci

SCENARIOS = Path(__file__).with_name("device_scenarios.py")
PACKAGES = {"pycuda": ("pycuda",), "cuda-bindings": ("cuda", "cuda.bindings")}
Play = Callable[..., Run]


def is_installed(kind: str) -> bool:
    return all(map(find_spec, PACKAGES[kind]))


@pytest.fixture(params=PACKAGES)
def play(request: pytest.FixtureRequest, fake_driver: Path, tmp_path: Path) -> Play:
    """Play a scenario; whatever it does, all that was lent is given back and no stack grows."""
    kind = request.param
    if not is_installed(kind):
        skip_unless_in_ci(
            f"{kind} is not installed" + "; see .ci/build_pycuda" * (kind == "pycuda")
        )

    def play(name: str, **settings: str) -> Run:
        log = tmp_path / "calls.jsonl"
        done = fake_cuda.run(fake_driver, log, str(SCENARIOS), name, kind, **settings)
        retained, released = (
            len(done.named(f"cuDevicePrimaryCtx{what}")) for what in ("Retain", "Release")
        )
        assert 0 < retained == released
        assert done.calls[-1]["alive"] == 0
        for thread in {call["thread"] for call in done.calls}:
            own = Counter(call["call"] for call in done.calls if call["thread"] == thread)
            assert own["cuCtxPushCurrent"] == own["cuCtxPopCurrent"]
        assert not done.named("cuCtxCreate_v2", "cuCtxCreate_v4")
        return done

    return play


def test_facts_are_those_of_the_driver(play: Play) -> None:
    facts = play("facts").output
    assert facts.pop("is").endswith(", CUDA 12.6, FakeOrin")
    assert facts == {
        "name": "FakeOrin",
        "compute_capability": [8, 7],
        "sm": 87,
        "multiprocessors": 16,
        "driver_version": [12, 6],
        "memory_bytes": 2**33,
        "shared_bytes_per_block": 166912,
    }


def test_facts_of_another_gpu_and_driver_differ(play: Play) -> None:
    facts = play("facts", FAKE_CUDA_ARCHITECTURE="110", FAKE_CUDA_VERSION="13020").output
    assert (facts["compute_capability"], facts["sm"]) == ([11, 0], 110)
    assert facts["driver_version"] == [13, 2]
    assert facts["is"].endswith(", CUDA 13.2, FakeOrin")


def test_pycuda_comes_first_where_both_packages_are(fake_driver: Path, tmp_path: Path) -> None:
    installed = [kind for kind in PACKAGES if is_installed(kind)]
    if not installed:
        pytest.skip("neither pycuda nor cuda-bindings is installed")
    done = fake_cuda.run(fake_driver, tmp_path / "log", str(SCENARIOS), "facts", "auto")
    assert done.output["is"].startswith(installed[0])


def test_every_thread_makes_the_context_current_for_itself(play: Play) -> None:
    done = play("stacks")
    assert done.output == [32, {"DeviceBuffer": 1}] * 2
    assert len({call["thread"] for call in done.named("cuMemAlloc")}) >= 2


def test_images_go_round_a_ring_of_two_slots(play: Play) -> None:
    done = play("ring")
    assert done.output["results"] == [[[float(i)] * 6] * 2 for i in range(4)]
    launches = done.named("cuLaunchKernel")
    up, run, down = done.output["streams"]
    assert len(launches) == 6
    for launch, pointer in zip(launches, done.output["pointers"], strict=True):
        packed = struct.pack("<QQifB7xQQ", pointer, pointer, 12, 2.5, 1, 0, 0)
        assert launch["arguments"] == packed.hex()
        assert launch["grid"] == [12, 3, 1]
        assert launch["block"] == [128, 1, 1]
        assert launch["shared"] == 60_000
        assert launch["stream"] == run
    assert {call["stream"] for call in done.named("cuMemcpyHtoDAsync")} == {up}
    assert {call["stream"] for call in done.named("cuMemcpyDtoHAsync")} == {down}
    assert [call["stream"] for call in done.named("cuStreamWaitEvent")] == [run, down] * 6
    assert {call["flags"] for call in done.named("cuStreamCreate")} == {1}  # non-blocking
    assert {call["flags"] for call in done.named("cuEventCreate")} == {2}  # no timing
    (attribute,) = done.named("cuFuncSetAttribute")
    assert (attribute["attribute"], attribute["value"]) == (8, 60_000)


def test_cooperative_launches_are_refused_beyond_what_fits(play: Play) -> None:
    done = play("cooperative")
    most, refusal = done.output
    assert most == 32
    assert refusal == (
        "DeviceError: cuLaunchCooperativeKernel: CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE "
        "(too many blocks in cooperative launch)"
    )
    assert not done.named("cuLaunchKernel")
    launch = done.named("cuLaunchCooperativeKernel")[0]
    assert launch["grid"] == [32, 1, 1]
    assert launch["arguments"] == struct.pack("<QQifB7xQQ", 512, 1, -1, 0.1, 0, 0, 0).hex()
    (occupancy,) = done.named("cuOccupancyMaxActiveBlocksPerMultiprocessor")
    assert (occupancy["threads"], occupancy["shared"]) == (128, 0)


def test_a_graph_repeats_what_was_recorded(play: Play) -> None:
    done = play("graphs")
    assert done.output["seen"] == [[0] * 4, [3] * 4, [4] * 4]
    assert "Graph" not in done.output["live"]
    (begin,) = done.named("cuStreamBeginCapture")
    assert begin["mode"] == 1  # thread-local
    (graph,) = done.named("cuGraphInstantiate")
    assert graph["works"] == 3
    assert len(done.named("cuGraphLaunch")) == 2


def test_what_cannot_be_recorded_is_refused(play: Play) -> None:
    output = play("broken_graphs").output
    waits, allocates, raises = output["messages"]
    not_permitted = (
        "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED (operation not permitted when stream is capturing)"
    )
    assert waits == f"DeviceError: cuStreamSynchronize: {not_permitted}"
    assert allocates == f"DeviceError: cuMemAlloc: {not_permitted}"
    assert raises == "StreamsegError: of the work itself"
    assert output["live"] == {"Stream": 1, "Graph": 1}


def test_memory_is_copied_and_zeroed(play: Play) -> None:
    done = play("memory")
    assert done.output["found"] == [[0, 2, 3, 5], [0, 0, 0, 0], [0, True]]
    assert done.output["live"] == {"Stream": 1, "DeviceBuffer": 2, "PinnedArray": 1}
    assert [call["size"] for call in done.named("cuMemsetD8Async")] == [4]


def test_events_with_timing_tell_milliseconds(play: Play) -> None:
    done = play("timing")
    milliseconds, refusal = done.output
    assert 0 < milliseconds < 1000
    assert refusal == (
        "DeviceError: cuEventElapsedTime: CUDA_ERROR_INVALID_HANDLE (invalid resource handle)"
    )
    assert [call["flags"] for call in done.named("cuEventCreate")] == [0, 0, 2]


def test_a_refused_allocation_is_told_and_all_is_given_back(play: Play) -> None:
    done = play("out_of_memory", FAKE_CUDA_FAIL="cuMemAlloc:3:2")
    told, live = done.output
    assert told == "DeviceError: cuMemAlloc: CUDA_ERROR_OUT_OF_MEMORY (out of memory)"
    assert live == {}
    assert len(done.named("cuMemFree")) == 2


def test_closing_waits_and_gives_back_what_was_made_last_first(play: Play) -> None:
    done = play("left_open")
    ends = ("cuEventDestroy", "cuStreamDestroy", "cuMemFree")
    closing = done.named("cuCtxSynchronize", *ends, "cuDevicePrimaryCtxRelease")
    assert [call["call"] for call in closing][:4] == ["cuCtxSynchronize", *ends]


def test_closing_goes_on_when_the_driver_refuses_something(play: Play) -> None:
    first, live, second = play("failing_close", FAKE_CUDA_FAIL="cuCtxSynchronize:1:1").output
    assert first == "DeviceError: cuCtxSynchronize: CUDA_ERROR_INVALID_VALUE (invalid argument)"
    assert live == {}
    assert second is None


def test_an_error_under_way_is_not_hidden_by_one_of_closing(play: Play) -> None:
    done = play("error_under_way", FAKE_CUDA_FAIL="cuCtxSynchronize:1:1")
    first, logged = done.output
    assert first == "StreamsegError: the first"
    assert logged == "cuCtxSynchronize: CUDA_ERROR_INVALID_VALUE (invalid argument)"


def test_a_device_may_be_closed_while_it_is_current(play: Play) -> None:
    assert play("close_within").output == {}


def test_misuse_is_refused_in_plain_words(play: Play) -> None:
    output = play("misuse").output
    outside = (
        "DeviceError: the device is not current in this thread: "
        "work inside `with device.current():`"
    )
    assert output["outside"] == [outside] * 4
    closed = "DeviceError: the device is closed"
    assert output["closed"] == [closed, closed, None]
    table = "8 bytes at 0, 8 bytes at 8, 4 bytes at 16, 4 bytes at 20, 1 bytes at 24"
    assert output["inside"] == {
        "released": "DeviceError: this Stream has been released or is of another device",
        "foreign": "DeviceError: this Stream has been released or is of another device",
        "too small": "InputError: an array of 9 bytes does not fit a buffer of 8",
        "negative": "InputError: size_bytes must be 0 or more, got -1",
        "other GPU": "ModelError: the cubin is for sm_110, but FakeOrin is sm_87",
        "no cubin": "ModelError: not a cubin: begins with b'PTX'",
        "no kernel": "ModelError: the cubin holds sample, not other",
        "other arguments": f"ModelError: kernel sample: its cubin takes {table}, "
        "8 bytes at 32, 8 bytes at 40, which is not (*fp16, i32, fp32, i1) "
        "and up to 2 pointers to scratch memory",
        "shared": "DeviceError: kernel sample needs 170000 bytes of shared memory; "
        "FakeOrin has 166912 for a block",
        "bytes": "InputError: kernel sample takes 48 bytes of arguments, got 4",
        "unloaded": "DeviceError: this Module has been released or is of another device",
    }


def test_the_fake_driver_itself_finds_mistakes(fake_driver: Path, tmp_path: Path) -> None:
    """Or the tests above would show nothing."""
    code = """
import ctypes, json
cuda = ctypes.CDLL("libcuda.so.1")
pointer = ctypes.c_void_p()
codes = [cuda.cuMemAlloc_v2(ctypes.byref(pointer), 8)]
codes.append(cuda.cuCtxPopCurrent_v2(None))
codes.append(cuda.cuCtxPushCurrent_v2(ctypes.c_void_p(1)))
codes.append(cuda.cuMemAlloc_v2(ctypes.byref(pointer), 8))
codes.append(cuda.cuMemcpyHtoD_v2(pointer, b"123456789", 9))
codes.append(cuda.cuMemcpyHtoD_v2(pointer, b"12345678", 8))
codes += [cuda.cuMemFree_v2(pointer), cuda.cuMemFree_v2(pointer)]
codes.append(cuda.cuMemAlloc_v2(ctypes.byref(pointer), 8))
codes.append(cuda.cuTexRefCreate(None))
print(json.dumps(codes))
"""
    done = fake_cuda.run(fake_driver, tmp_path / "log", "-c", code)
    assert done.output == [201, 201, 0, 0, 1, 0, 0, 1, 0, 801]
    last: Call = done.calls[-1]
    assert (last["call"], last["alive"]) == ("exit", 1)
