"""Compile the kernel of a launch for any GPU; this machine needs none."""

from __future__ import annotations

from typing import Any, Final

from streamseg.kernels.launch import NETWORK, Launch

UNKNOWN: Final = frozenset({"height", "width", "frame_pixels", "least_area_px"})
"""Integer arguments that depend on the frame: a kernel compiled ahead of time takes any value."""
ARCHITECTURES: Final = (75, 80, 86, 87, 89, 90, 100, 110, 120)
"""Compute capabilities, ten times the number."""


def argument_types(launch: Launch, dtype: str) -> dict[str, str]:
    """List Triton's types of a kernel's arguments in their order, without constants.

    Args:
        launch: of the kernel.
        dtype: of the network's output, ``fp16`` or ``fp32``.
    """
    pointers = {
        name: f"*{dtype if kind == NETWORK else kind}" for name, kind in launch.pointers.items()
    }
    scalars = {
        name: "i32" if isinstance(value, int) else "fp32" for name, value in launch.scalars.items()
    }
    return pointers | scalars


def whole_numbers_known(launch: Launch) -> dict[str, int]:
    """List the integer arguments on which the compiled kernel relies: 1, or a multiple of 16."""
    return {
        name: value
        for name, value in launch.scalars.items()
        if isinstance(value, int) and name not in UNKNOWN and (value == 1 or value % 16 == 0)
    }


def compile_launch(launch: Launch, dtype: str, architecture: int) -> Any:
    """Compile for ``sm_<architecture>``.

    The kernel relies on pointers that are multiples of 16 bytes, and on the integers of
    ``whole_numbers_known``, as if Triton had compiled it at a launch.

    Args:
        launch: of the kernel.
        dtype: of the network's output, ``fp16`` or ``fp32``.
        architecture: one of ``ARCHITECTURES``.

    Returns:
        Triton's compiled kernel: ``asm``, ``metadata``.
    """
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from streamseg.kernels.triton_launch import kernel_of

    kernel = kernel_of(launch.kernel)
    place = {name: (position,) for position, name in enumerate(kernel.arg_names)}
    known = whole_numbers_known(launch)
    constants = {**launch.constants, **{name: 1 for name, value in known.items() if value == 1}}
    types = argument_types(launch, dtype) | dict.fromkeys(constants, "constexpr")
    aligned = [*launch.pointers, *(name for name, value in known.items() if value != 1)]
    source = ASTSource(
        fn=kernel,
        signature={name: types[name] for name in kernel.arg_names},
        constexprs={place[name]: value for name, value in constants.items()},
        attrs={place[name]: [["tt.divisibility", 16]] for name in aligned},
    )
    return triton.compile(
        source,
        target=GPUTarget("cuda", architecture, 32),
        options={"num_warps": launch.warps, "enable_fp_fusion": True},
    )
