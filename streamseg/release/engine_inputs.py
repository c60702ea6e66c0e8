"""The sizes that an engine is built for: one, or a range of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streamseg.errors import InputError
from streamseg.release.tensorrt_module import (
    Builder,
    IBuilderConfig,
    INetworkDefinition,
    logged_errors,
)


@dataclass(frozen=True)
class ShapeRange:
    """Sizes that an input with free sides may have.

    Raises:
        InputError: they do not rise from ``min`` over ``opt`` to ``max``.
    """

    min: tuple[int, ...]
    opt: tuple[int, ...]
    """Where the engine shall be fastest."""
    max: tuple[int, ...]
    """Memory is reserved for this size."""

    def __post_init__(self) -> None:
        """Compare the three."""
        sides = list(zip(self.min, self.opt, self.max, strict=False))
        if not len(self.min) == len(self.opt) == len(self.max) or not all(
            1 <= low <= middle <= high for low, middle, high in sides
        ):
            raise InputError(f"sizes must rise from min over opt to max, got {self}")

    def __str__(self) -> str:
        """As in ``1x3x480x640 to 1x3x960x1280, best 1x3x480x640``."""
        low, best, high = ("x".join(map(str, shape)) for shape in (self.min, self.opt, self.max))
        return low if low == high else f"{low} to {high}, best {best}"

    @classmethod
    def fixed(cls, shape: tuple[int, ...]) -> ShapeRange:
        """One size only: the fastest engine, and the one that needs least memory."""
        return cls(shape, shape, shape)


def input_sizes(
    network: INetworkDefinition, asked: Mapping[str, ShapeRange]
) -> dict[str, ShapeRange]:
    """The sizes of every input, by name.

    Args:
        network: filled by a parser.
        asked: for the inputs with free sides.

    Raises:
        InputError: sizes are missing, do not fit the input, or are for no input.
    """
    sizes = {}
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        name, shape = tensor.name, tuple(tensor.shape)
        text = "x".join("?" if side < 0 else str(side) for side in shape)
        if name not in asked:
            if min(shape, default=1) < 0:
                raise InputError(f"input {name} is {text}: its sizes must be given")
            sizes[name] = ShapeRange.fixed(shape)
            continue
        sizes[name] = given = asked[name]
        for end in (given.min, given.opt, given.max):
            if len(end) != len(shape) or any(
                side not in (-1, wanted) for side, wanted in zip(shape, end, strict=True)
            ):
                raise InputError(f"input {name} is {text}, which {given} does not fit")
    if unknown := asked.keys() - sizes.keys():
        raise InputError(
            f"no input is called {', '.join(sorted(unknown))}: there are {', '.join(sizes)}"
        )
    return sizes


def add_profile(
    builder: Builder,
    network: INetworkDefinition,
    config: IBuilderConfig,
    sizes: Mapping[str, ShapeRange],
) -> None:
    """Tell TensorRT the sizes, if any side is free.

    Raises:
        InputError: TensorRT refuses them.
    """
    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    free = [tensor.name for tensor in inputs if -1 in tuple(tensor.shape)]
    if not free:
        return
    profile = builder.create_optimization_profile()
    for name in free:
        size = sizes[name]
        profile.set_shape(name, size.min, size.opt, size.max)
    with logged_errors() as errors:
        index = config.add_optimization_profile(profile)
    if index < 0:
        raise InputError(f"TensorRT refuses these sizes of {', '.join(free)}: {errors}")
