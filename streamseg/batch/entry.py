"""The entry of a recording: what its results were made of, and whether they are still valid."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from typing import Any

from streamseg.batch.inputs import Recording


@dataclass(frozen=True)
class Entry:
    """What the results of a recording were made of; see docs/batch.md."""

    source: str
    size: int
    version: str
    sha256: str
    model_sha256: str
    options: dict[str, Any]
    frames: int
    seconds: float
    notes: tuple[str, ...]
    streamseg_version: str

    @classmethod
    def parse(cls, data: bytes) -> Entry | None:
        """Read an entry; None if it is not one, or of another version of streamseg's format."""
        with suppress(ValueError, TypeError, KeyError):
            values = json.loads(data)
            values["notes"] = tuple(values["notes"])
            return cls(**{field.name: values[field.name] for field in fields(cls)})
        return None

    def json(self) -> str:
        """The text of the file."""
        return json.dumps(asdict(self), indent=1) + "\n"

    def is_of(self, model_sha256: str, options: dict[str, Any]) -> bool:
        """Whether this model and these options made the results."""
        return self.model_sha256 == model_sha256 and self.options == options

    def has_seen(self, recording: Recording) -> bool:
        """Whether the file looks the same as then; its content is not read."""
        return (self.size, self.version) == (recording.size, recording.version) and bool(
            self.version
        )
