"""Segments and their names → the instances of a frame."""

from __future__ import annotations

from collections.abc import Sequence

from streamseg.results import Instance, Segments
from streamseg.tracking import TrackName


def named_instances(
    segments: Segments, tracks: Sequence[TrackName], class_names: Sequence[str]
) -> tuple[Instance, ...]:
    """Put together what grouping and tracking found.

    Args:
        segments: M disjoint instances.
        tracks: M names, in the same order.
        class_names: class k is ``class_names[k - 1]``.
    """
    return tuple(
        Instance(
            name=track.name,
            class_name=class_names[track.class_id - 1],
            class_id=track.class_id,
            track_id=track.track_id,
            is_confirmed=track.is_confirmed,
            score=float(segments.score[row]),
            box=tuple(segments.box[row].tolist()),
            area_px=int(segments.area_px[row]),
            seed_yx=tuple(segments.seed_yx[row].tolist()),
            tau=float(segments.tau[row]),
            embedding=segments.embedding[row],
            label=row + 1,
            label_map=segments.label_map,
        )
        for row, track in enumerate(tracks)
    )
