from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import pytest

from streamseg.errors import ConfigError
from streamseg.parsing import parse_values


@dataclass(frozen=True)
class Wheel:
    size: float
    bolts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Cart:
    wheels: tuple[Wheel, ...]
    load: dict[str, dict[str, int]]
    flags: dict[str, int | bool]
    owner: str | None = None
    front: Wheel | None = None


CART = {
    "wheels": [{"size": 1, "bolts": [4, 5]}, {"size": 2.5}],
    "load": {"hay": {"bales": 3}},
    "flags": {"braked": True, "horses": 2},
}


def test_nested_values_become_nested_dataclasses() -> None:
    cart = parse_values(Cart, CART, "cart")
    assert cart == Cart(
        (Wheel(1.0, (4, 5)), Wheel(2.5)), {"hay": {"bales": 3}}, {"braked": True, "horses": 2}
    )
    assert parse_values(Cart, asdict(cart), "cart") == cart
    whole = parse_values(Cart, {**CART, "front": {"size": 3}, "owner": "Ann"}, "cart")
    assert (whole.front, whole.owner) == (Wheel(3.0), "Ann")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"wheels": [{"bolts": []}]}, "cart: wheels lacks size"),
        ({"wheels": [{"size": 1, "sice": 2}]}, r"sice \(did you mean size\?\)"),
        ({"wheels": [7]}, "cart: wheels must be a table of values, got 7"),
        ({"load": {"hay": {"bales": 1.5}}}, "cart: load: hay: bales must be a whole number"),
        ({"load": []}, "cart: load must be a table of values"),
        ({"flags": {"braked": "no"}}, "cart: flags: braked must be a whole number, got 'no'"),
        ({"owner": 3}, "cart: owner must be text, got 3"),
        ({"front": 3}, "cart: front must be a table of values, got 3"),
    ],
)
def test_the_place_of_a_wrong_value_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_values(Cart, {**CART, **change}, "cart")
