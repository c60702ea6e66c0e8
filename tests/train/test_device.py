from __future__ import annotations

import pytest
import torch

from streamseg.errors import ConfigError
from streamseg.train.device import choose_device, choose_precision, is_out_of_memory

CPU = torch.device("cpu")


def test_an_explicit_device_is_obeyed_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == CPU
    with pytest.raises(ConfigError, match="sees 0 CUDA GPUs; use 'cpu' or 'auto'"):
        choose_device("cuda")


def test_every_process_gets_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("auto", 1) == torch.device("cuda", 1)
    assert choose_device("cpu", 1) == CPU
    with pytest.raises(ConfigError, match="GPU 2 is wanted"):
        choose_device("cuda", 2)


def test_bf16_is_automatic_only_on_gpus_that_support_it(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = torch.device("cuda", 0)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Old GPU")
    assert choose_precision("auto", CPU) == torch.float32
    assert choose_precision("bf16", CPU) == torch.bfloat16
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert choose_precision("auto", gpu) == torch.bfloat16
    assert choose_precision("off", gpu) == torch.float32
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert choose_precision("auto", gpu) == torch.float32
    with pytest.raises(ConfigError, match="Old GPU does not support"):
        choose_precision("bf16", gpu)


def test_running_out_of_memory_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.cuda.OutOfMemoryError("CUDA out of memory"))
    assert not is_out_of_memory(RuntimeError("shapes differ"))
