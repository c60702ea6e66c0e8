"""Decoders of messages: ROS 1, ROS 2 (CDR), Protobuf and JSON, by the schema in the recording."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeAlias

from streamseg.errors import MissingExtraError, SourceError

Decoder: TypeAlias = Callable[[bytes], Any]
"""Returns an object with the fields of a message as attributes; ValueError if it is damaged."""

_IDL_SEPARATOR = "=" * 80 + "\nIDL: "


class Schema(NamedTuple):
    """The type of the messages of a topic."""

    name: str
    """As in the recording: ``sensor_msgs/msg/Image``."""
    encoding: str
    """As MCAP calls it: ``ros1msg``, ``ros2msg``, ``ros2idl``, ``protobuf``, ``jsonschema``; empty
    if there is no definition."""
    definition: bytes


def decoder_of(message_encoding: str, schema: Schema) -> Decoder:
    """The decoder of the messages of a topic.

    Args:
        message_encoding: as MCAP calls it: ``ros1``, ``cdr``, ``protobuf``, ``json``.
        schema: of the messages.

    Raises:
        SourceError: messages of this encoding are not read, or the definition is damaged.
        MissingExtraError: a package is not installed.
    """
    try:
        if message_encoding in ("cdr", "ros1"):
            return _ros_decoder(message_encoding, schema)
        if message_encoding == "protobuf":
            return _protobuf_decoder(schema)
    except ImportError as error:
        raise MissingExtraError(error.name or "a decoder", "recordings") from error
    if message_encoding == "json":
        return _decode_json
    raise SourceError(
        f"messages encoded as {message_encoding or 'nothing that is stated'} are not read; "
        "known are ros1, cdr, protobuf and json"
    )


def _decode_json(data: bytes) -> Any:
    return json.loads(data, object_hook=lambda fields: SimpleNamespace(**fields))


def _protobuf_decoder(schema: Schema) -> Decoder:
    from google.protobuf.message import DecodeError
    from mcap.exceptions import McapError
    from mcap.records import Schema as McapSchema
    from mcap_protobuf.decoder import DecoderFactory

    stored = McapSchema(1, schema.definition, schema.encoding, schema.name)
    try:
        decoder: Decoder | None = DecoderFactory().decoder_for("protobuf", stored)
    except (DecodeError, McapError, TypeError, KeyError) as error:
        raise SourceError(f"the definition of {schema.name} is damaged: {error}") from error
    if decoder is None:
        raise SourceError(f"{schema.name} comes without a Protobuf definition")
    return _checked(decoder, DecodeError)


def _checked(decode: Decoder, *damaged: type[Exception]) -> Decoder:
    """A decoder that raises ValueError for damaged bytes."""
    errors: tuple[type[Exception], ...]
    errors = (*damaged, struct.error, LookupError, MemoryError, OverflowError)

    def decode_checked(data: bytes) -> Any:
        try:
            return decode(data)
        except errors as error:
            raise ValueError(f"the message is damaged: {error}") from error

    return decode_checked


def _ros_decoder(message_encoding: str, schema: Schema) -> Decoder:
    from rosbags.serde import SerdeError
    from rosbags.typesys import (
        Stores,
        TypesysError,
        get_types_from_idl,
        get_types_from_msg,
        get_typestore,
    )

    package, _, kind = schema.name.replace("/msg/", "/").rpartition("/")
    name = f"{package}/msg/{kind}"
    text = schema.definition.decode("utf-8", "replace")
    try:
        if not schema.encoding:  # recorders before ROS 2 Iron store no definitions
            store = get_typestore(Stores.LATEST)
        elif schema.encoding == "ros2idl":
            store = get_typestore(Stores.EMPTY)
            for part in text.split(_IDL_SEPARATOR)[1:] or [text]:
                idl = part.partition("\n")[2] if _IDL_SEPARATOR in text else part
                store.register(get_types_from_idl(idl))
        else:
            store = get_typestore(Stores.EMPTY)
            store.register(get_types_from_msg(text, name))
    except TypesysError as error:  # its text holds the whole definition
        raise SourceError(f"the definition of {schema.name} is damaged") from error
    if name not in store.fielddefs:
        raise SourceError(f"{schema.name} comes without a definition")
    deserialize = store.deserialize_ros1 if message_encoding == "ros1" else store.deserialize_cdr
    return _checked(lambda data: deserialize(data, name), SerdeError)
