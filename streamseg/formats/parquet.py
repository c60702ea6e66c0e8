"""Parquet: a table with a row for each instance, for pandas, Polars, DuckDB and the like."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamseg import rle
from streamseg.atomic_write import atomic_write
from streamseg.claims import replaced_alone
from streamseg.errors import MissingExtraError
from streamseg.formats.writer import ResultWriter, check_folder_of, readable, saving
from streamseg.results import FrameResult

if TYPE_CHECKING:
    import pyarrow

VERSION = 1
"""Part of the file's metadata, as ``streamseg``. It rises when a column changes or is removed."""

_ROWS_PER_GROUP = 8192


class ParquetWriter(ResultWriter):
    """Writes one row for each instance; docs/formats.md lists the columns.

    Rows are written in groups of 8192, which bounds memory. The index of the groups is written
    last: the file appears on ``close``, and after a kill there is none.
    """

    def __init__(self, path: str | Path) -> None:
        """Open the file.

        Args:
            path: file to create or overwrite.

        Raises:
            MissingExtraError: pyarrow is not installed.
            SinkError: the file cannot be created.
        """
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError as error:
            raise MissingExtraError("pyarrow", "parquet") from error
        self._arrow = pyarrow
        self._path = Path(path)
        check_folder_of(self._path)
        self._schema = schema(pyarrow)
        self._rows: list[dict[str, Any]] = []
        with saving(self._path), ExitStack() as stack:
            stack.enter_context(replaced_alone(self._path))
            partial = stack.enter_context(atomic_write(self._path))
            self._file = stack.enter_context(
                parquet.ParquetWriter(partial, self._schema, compression="zstd")
            )
            self._stack: ExitStack | None = stack.pop_all()

    def write(self, result: FrameResult) -> None:
        """Append the instances of one frame.

        Raises:
            SinkError: they cannot be written.
        """
        self._rows += rows_of(result)
        if len(self._rows) >= _ROWS_PER_GROUP:
            with saving(self._path):
                self._flush()

    def close(self) -> None:
        """Complete the file.

        Raises:
            SinkError: the file cannot be completed; an old one is left as it was.
        """
        stack, self._stack = self._stack, None
        if stack is not None:
            with saving(self._path), stack:
                if self._rows:
                    self._flush()

    def _flush(self) -> None:
        rows, self._rows = self._rows, []
        self._file.write_table(self._arrow.Table.from_pylist(rows, self._schema))


def rows_of(result: FrameResult) -> list[dict[str, Any]]:
    """The rows of one frame, one for each instance, as ``schema`` describes them."""
    height, width = result.label_map.shape
    masks = rle.encode(result.label_map, [instance.label for instance in result.instances])
    rows = []
    for instance, mask in zip(result.instances, masks, strict=True):
        x0, y0, x1, y1 = instance.box
        y, x = instance.seed_yx
        rows.append(
            {
                "index": result.index,
                "pts_seconds": result.pts_seconds,
                "stamp_ns": result.stamp_ns,
                "height": height,
                "width": width,
                "name": instance.name,
                "track_id": instance.track_id,
                "confirmed": instance.is_confirmed,
                "class": instance.class_name,
                "class_id": instance.class_id,
                "score": float(instance.score),
                "x0": x0,
                "y0": y0,
                "x1": x1,
                "y1": y1,
                "area_px": instance.area_px,
                "seed_x": x,
                "seed_y": y,
                "tau": float(instance.tau),
                "rle_counts": mask["counts"],
                "source": readable(result.source),
                "source_index": result.source_index,
            }
        )
    return rows


def schema(arrow: Any) -> pyarrow.Schema:
    """The columns; ``arrow`` is the module pyarrow."""
    kinds = {
        arrow.int64(): ("index", "stamp_ns", "track_id", "area_px"),
        arrow.int32(): (
            "height",
            "width",
            "class_id",
            "x0",
            "y0",
            "x1",
            "y1",
            "seed_x",
            "seed_y",
            "source_index",
        ),
        arrow.bool_(): ("confirmed",),
        arrow.float64(): ("pts_seconds",),
        arrow.float32(): ("score", "tau"),
        arrow.dictionary(arrow.int32(), arrow.string()): ("name", "class", "source"),
        arrow.string(): ("rle_counts",),
    }
    kind_of = {name: kind for kind, names in kinds.items() for name in names}
    return arrow.schema(
        [arrow.field(name, kind_of[name], nullable=name == "stamp_ns") for name in _COLUMNS],
        metadata={"streamseg": json.dumps({"version": VERSION})},
    )


_COLUMNS = (
    "index", "pts_seconds", "stamp_ns", "height", "width", "name", "track_id", "confirmed",
    "class", "class_id", "score",
    "x0", "y0", "x1", "y1", "area_px", "seed_x", "seed_y", "tau", "rle_counts", "source",
    "source_index",
)  # fmt: skip
