"""Build nested dataclasses from the plain values of JSON and TOML, and check their types."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, is_dataclass
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Any, ClassVar, Protocol, TypeVar, get_args, get_origin, get_type_hints

from streamseg.errors import ConfigError


class Dataclass(Protocol):
    """What every dataclass is."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


Parsed = TypeVar("Parsed", bound=Dataclass)


def parse_json(kind: type[Parsed], text: str, name: str) -> Parsed:
    """Build a dataclass from the JSON of its fields.

    Args:
        kind: the dataclass.
        text: a JSON object.
        name: what the errors call it.

    Raises:
        ConfigError: the text is not JSON, or not the fields of ``kind``, see ``parse_values``.
    """
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{name} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{name} must be a JSON object, got {text[:40]}")
    return parse_values(kind, values, name)


def parse_values(kind: type[Parsed], values: Mapping[str, object], name: str) -> Parsed:
    """Build a dataclass from plain values; its fields may be dataclasses too.

    Lists become tuples. Whole numbers become floats where the field is a float.

    Args:
        kind: the dataclass.
        values: of its fields; those with a default may be left out.
        name: what the errors call it.

    Raises:
        ConfigError: a key is unknown or missing, or a value has another type.
    """
    known = kind.__dataclass_fields__
    unknown = [suggest(key, known) for key in sorted(set(values) - set(known))]
    if unknown:
        raise ConfigError(f"{name} has unknown keys: {', '.join(unknown)}")
    needed = [key for key, field in known.items() if _is_required(field)]
    if missing := [key for key in needed if key not in values]:
        raise ConfigError(f"{name} lacks {', '.join(missing)}")
    types = get_type_hints(kind)
    return kind(
        **{key: _parsed(value, types[key], f"{name}: {key}") for key, value in values.items()}
    )


def suggest(wrong: str, known: Iterable[str]) -> str:
    """A wrong name with the known one that was probably meant.

    >>> suggest("trnk", ["trunk", "taus"])
    'trnk (did you mean trunk?)'
    """
    near = get_close_matches(wrong, known, n=1)
    return f"{wrong} (did you mean {near[0]}?)" if near else wrong


_TYPE_NAMES = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    NoneType: "null",
}


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _parsed(value: object, kind: Any, where: str) -> object:
    """The value as a field of type ``kind`` holds it."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is UnionType:
        kind = type(value) if type(value) in parts else parts[0]
    if is_dataclass(kind):
        return parse_values(kind, _table(value, where), where)  # type: ignore[arg-type]
    if origin is tuple:
        return _parsed_tuple(value, parts, where)
    if origin is dict:
        return {
            key: _parsed(item, parts[1], f"{where}: {key}")
            for key, item in _table(value, where).items()
        }
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ConfigError(f"{where} must be {_TYPE_NAMES[kind]}, got {value!r}")
    return value


def _parsed_tuple(value: object, parts: tuple[Any, ...], where: str) -> tuple[object, ...]:
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{where} must be a list, got {value!r}")
    kinds = [parts[0]] * len(value) if parts[-1] is ... else list(parts)
    if len(kinds) != len(value):
        raise ConfigError(f"{where} must be a list of {len(kinds)}, got {value!r}")
    return tuple(_parsed(item, kind, where) for item, kind in zip(value, kinds, strict=True))


def _table(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where} must be a table of values, got {value!r}")
    return value
