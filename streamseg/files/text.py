"""Text, JSON and YAML files that users write, with whatever editor."""

from __future__ import annotations

import json
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path

import yaml

from streamseg.errors import StreamsegError


def read_text(path: Path, error: type[StreamsegError]) -> str:
    """Read a file in UTF-8, or in UTF-16 with a byte order mark; such a mark is removed.

    Args:
        path: the file.
        error: what to raise.

    Raises:
        error: the file cannot be read or is not text.
    """
    try:
        data = path.read_bytes()
        is_utf16 = data.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
        return data.decode("utf-16" if is_utf16 else "utf-8-sig")
    except OSError as reason:
        raise error(f"{path} cannot be read: {reason.strerror or reason}") from reason
    except UnicodeDecodeError as reason:
        raise error(f"{path} cannot be read as UTF-8 text: {reason}") from reason


def read_json(path: Path, error: type[StreamsegError]) -> object:
    """Read what a JSON file holds.

    Args:
        path: the file, encoded as ``read_text`` expects.
        error: what to raise.

    Raises:
        error: the file cannot be read or is not JSON.
    """
    text = read_text(path, error)
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as reason:
        raise error(f"{path} is not JSON: {reason}") from reason
    return value


def read_yaml(path: Path, error: type[StreamsegError]) -> object:
    """Read what a YAML file holds.

    Args:
        path: the file, encoded as ``read_text`` expects.
        error: what to raise.

    Raises:
        error: the file cannot be read or is not YAML.
    """
    text = read_text(path, error)
    try:
        value: object = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as reason:
        raise error(f"{path} is not YAML: {reason}") from reason
    return value
