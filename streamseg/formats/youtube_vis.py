"""YouTube-VIS results: a JSON list, one entry for each track.

Defined by the challenge's submission format (https://competitions.codalab.org/competitions/20128,
quoted in TrackEval's docs/YouTube-VIS-format.txt), with the category ids of the data set's version
of 2021; read by ``ytvos.loadRes`` and by TrackEval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamseg import rle
from streamseg.formats.class_ids import ClassIds
from streamseg.formats.json_list import JsonList, write_categories
from streamseg.formats.writer import ResultWriter
from streamseg.results import FrameResult

_NAMES = (
    "airplane", "bear", "bird", "boat", "car", "cat", "cow", "deer", "dog", "duck",
    "earless_seal", "elephant", "fish", "flying_disc", "fox", "frog", "giant_panda", "giraffe",
    "horse", "leopard", "lizard", "monkey", "motorbike", "mouse", "parrot", "person", "rabbit",
    "shark", "skateboard", "snake", "snowboard", "squirrel", "surfboard", "tennis_racket",
    "tiger", "train", "truck", "turtle", "whale", "zebra",
)  # fmt: skip
CATEGORIES = {name: id_ for id_, name in enumerate(_NAMES, 1)}
"""The id of each of the 40 categories of YouTube-VIS 2021."""


@dataclass
class _Track:
    category_id: int
    score_sum: float = 0.0
    mask_of_frame: dict[int, dict[str, Any]] = field(default_factory=dict)


class YouTubeVisWriter(ResultWriter):
    """Writes ``video_id``, ``category_id``, ``segmentations`` (RLE or null) and ``score``.

    A track has one segmentation for each frame from index 0 to the last frame, null where the
    track is missing. Its score is the mean over the frames where it is present. Instances of
    classes that YouTube-VIS lacks are left out, counted and reported at the end.

    The file is written on ``close``. Until then memory grows with the run-length encodings of all
    instances, because an entry holds a whole track.
    """

    def __init__(
        self, path: str | Path, class_names: Sequence[str] = (), *, video_id: int = 1
    ) -> None:
        """Open the file.

        Args:
            path: file to create or overwrite.
            class_names: of the model. With classes of its own, categories are 1 to C, and
                ``results.categories.json`` beside ``results.json`` names them.
            video_id: the video's ``id`` in the data set's own JSON.

        Raises:
            SinkError: the file cannot be created.
        """
        self._entries = JsonList(Path(path))
        self._ids = ClassIds("YouTube-VIS", CATEGORIES, class_names)
        self._path = Path(path)
        self._video_id = video_id
        self._frame_count = 0
        self._tracks: dict[int, _Track] = {}

    def write(self, result: FrameResult) -> None:
        """Keep the instances of one frame."""
        self._frame_count = result.index + 1
        known = self._ids.known(result)
        masks = rle.encode(result.label_map, [instance.label for instance, _ in known])
        for (instance, category_id), mask in zip(known, masks, strict=True):
            track = self._tracks.setdefault(instance.track_id, _Track(category_id))
            track.category_id = category_id  # the vote over the track may have changed
            track.score_sum += float(instance.score)
            track.mask_of_frame[result.index] = mask

    def close(self) -> None:
        """Write the tracks in the order of their first frames, and log what was left out.

        Raises:
            SinkError: the file cannot be written.
        """
        tracks, self._tracks = self._tracks, {}
        for track in tracks.values():
            self._entries.append(
                {
                    "video_id": self._video_id,
                    "category_id": track.category_id,
                    "segmentations": [
                        track.mask_of_frame.get(index) for index in range(self._frame_count)
                    ],
                    "score": round(track.score_sum / len(track.mask_of_frame), 4),
                }
            )
        self._entries.close()
        write_categories(self._path, self._ids)
        self._ids.report()
