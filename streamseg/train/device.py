"""Device and precision of a run, and errors that say that memory ran out."""

from __future__ import annotations

import torch

from streamseg.errors import ConfigError


def choose_device(wanted: str, local_rank: int = 0) -> torch.device:
    """Choose the device of a run.

    Args:
        wanted: ``auto``, ``cpu`` or ``cuda``.
        local_rank: which of the machine's GPUs is this process's.

    Raises:
        ConfigError: ``cuda`` is requested and there is no such GPU.
    """
    gpus = torch.cuda.device_count() if wanted != "cpu" and torch.cuda.is_available() else 0
    if wanted == "cuda" and local_rank >= gpus:
        raise ConfigError(
            f"train.device is 'cuda' and GPU {local_rank} is wanted, but torch "
            f"{torch.__version__} sees {gpus} CUDA GPUs; use 'cpu' or 'auto', or fewer processes"
        )
    if local_rank < gpus:
        return torch.device("cuda", local_rank)
    return torch.device("cpu")


def choose_precision(wanted: str, device: torch.device) -> torch.dtype:
    """Choose the dtype of trunk and neck: bfloat16, or float32 if mixed precision is off.

    Args:
        wanted: ``bf16``, ``off``, or ``auto`` for bf16 on GPUs that have instructions for it.
        device: of the run.

    Raises:
        ConfigError: ``bf16`` is requested on a GPU that does not support it.
    """
    known = device.type == "cpu" or torch.cuda.is_bf16_supported()
    if wanted == "bf16" and not known:
        raise ConfigError(
            f"train.mixed_precision is 'bf16', which {torch.cuda.get_device_name(device)} does "
            f"not support; use 'off' or 'auto'"
        )
    automatic = wanted == "auto" and device.type == "cuda" and known
    return torch.bfloat16 if wanted == "bf16" or automatic else torch.float32


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on a GPU or on the CPU."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
