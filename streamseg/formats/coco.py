"""COCO's results for instance segmentation: a JSON list, one entry for each instance.

Defined at https://cocodataset.org/#format-results; read by ``COCO.loadRes`` of pycocotools.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from streamseg import rle
from streamseg.formats.class_ids import ClassIds
from streamseg.formats.json_list import JsonList, write_categories
from streamseg.formats.writer import ResultWriter
from streamseg.frame import UNNUMBERED
from streamseg.results import FrameResult

# 1 to 90 with the ten gaps of the paper's 91 categories.
_NAMES = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    "traffic light", "fire hydrant", None, "stop sign", "parking meter", "bench", "bird", "cat",
    "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", None, "backpack",
    "umbrella", None, None, "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard",
    "tennis racket", "bottle", None, "wine glass", "cup", "fork", "knife", "spoon", "bowl",
    "banana", "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut",
    "cake", "chair", "couch", "potted plant", "bed", None, "dining table", None, None, "toilet",
    None, "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven",
    "toaster", "sink", "refrigerator", None, "book", "clock", "vase", "scissors", "teddy bear",
    "hair drier", "toothbrush",
)  # fmt: skip
CATEGORIES = {name: id_ for id_, name in enumerate(_NAMES, 1) if name}
"""The id of each of COCO's 80 categories."""


class CocoWriter(ResultWriter):
    """Writes ``image_id``, ``category_id``, ``segmentation`` (RLE) and ``score``.

    ``image_id`` is the number in the name of the image's file, as in ``000000000139.jpg``, if most
    files of the source are named by different numbers. Otherwise it is the frame's index. There is
    no ``bbox``: pycocotools would use its area as that of the mask. Instances of classes that COCO
    lacks, and of images without a number among numbered ones, are left out, counted and reported
    at the end. The file appears on ``close``; memory does not grow.

    A model with classes of its own has categories 1 to C; ``results.categories.json`` beside
    ``results.json`` names them.
    """

    def __init__(self, path: str | Path, class_names: Sequence[str] = ()) -> None:
        """Open the file.

        Args:
            path: file to create or overwrite.
            class_names: of the model, see ``ClassIds``.

        Raises:
            SinkError: the file cannot be created.
        """
        self._entries = JsonList(Path(path))
        self._ids = ClassIds("COCO", CATEGORIES, class_names)
        self._path = Path(path)

    def write(self, result: FrameResult) -> None:
        """Append the instances of one frame.

        Raises:
            SinkError: they cannot be written.
        """
        known = self._ids.known(result)
        if result.frame.image_number == UNNUMBERED:
            for _ in known:
                self._ids.leave_out("of images whose name is not a number, unlike the others")
            return
        masks = rle.encode(result.label_map, [instance.label for instance, _ in known])
        number = result.frame.image_number
        image_id = result.index if number is None else number
        for (instance, category_id), mask in zip(known, masks, strict=True):
            self._entries.append(
                {
                    "image_id": image_id,
                    "category_id": category_id,
                    "segmentation": mask,
                    "score": round(float(instance.score), 4),
                }
            )

    def close(self) -> None:
        """Complete the file, and log what was left out.

        Raises:
            SinkError: the file cannot be completed.
        """
        self._entries.close()
        write_categories(self._path, self._ids)
        self._ids.report()
