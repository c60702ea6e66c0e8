"""The class ids of a format, found by the names of classes."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

from streamseg.classes import coco_index, plain_name
from streamseg.formats.writer import OneSource
from streamseg.results import FrameResult, Instance

logger = logging.getLogger(__name__)


class ClassIds:
    """Finds the ids of classes, and counts the instances that a format cannot hold.

    Names are compared without case, spaces, hyphens and underscores; ``airplane`` is
    ``aeroplane``.
    """

    def __init__(
        self, format_name: str, id_of_name: Mapping[str, int], class_names: Sequence[str] = ()
    ) -> None:
        """Set the table of a format, or number the classes of a model.

        Args:
            format_name: for messages.
            id_of_name: the id of each class that the format knows.
            class_names: of the model. If one of them is neither COCO's nor VOC's, the table of the
                format does not fit: the ids are 1 to C, in this order.
        """
        self.own_names: tuple[str, ...] = ()
        """The names of classes 1 to C where the table of the format is not used."""
        if any(coco_index(name) is None for name in class_names):
            self.own_names = tuple(class_names)
            id_of_name = {name: id_ for id_, name in enumerate(class_names, start=1)}
        self._format_name = format_name
        self._source = OneSource()
        self._id_of_name = {plain_name(name): id_ for name, id_ in id_of_name.items()}
        self.left_out: Counter[str] = Counter()
        """Number of instances left out so far, by reason."""

    def known(self, result: FrameResult) -> list[tuple[Instance, int]]:
        """The instances whose class the format knows, each with its id; others are counted.

        Raises:
            SinkError: the result is of another source than those before.
        """
        self._source.check(result)
        found = []
        for instance in result.instances:
            id_ = self._id_of_name.get(plain_name(instance.class_name))
            if id_ is None:
                self.left_out[f"of class {instance.class_name}, which the format lacks"] += 1
            else:
                found.append((instance, id_))
        return found

    def known_tracks(self, result: FrameResult) -> list[tuple[Instance, int]]:
        """``known`` without unconfirmed tracks, for formats that are scored by tracks.

        Raises:
            SinkError: the result is of another source than those before.
        """
        found = []
        for instance, id_ in self.known(result):
            if instance.is_confirmed:
                found.append((instance, id_))
            else:
                self.leave_out("of tracks that were not confirmed yet")
        return found

    def leave_out(self, reason: str) -> None:
        """Count one instance that the format cannot hold."""
        self.left_out[reason] += 1

    def report(self) -> None:
        """Log in one line what was left out, if anything was, and reset the counts."""
        if self.left_out:
            reasons = "; ".join(f"{n} {reason}" for reason, n in self.left_out.most_common())
            logger.warning("%s: masks left out: %s", self._format_name, reasons)
            self.left_out.clear()
