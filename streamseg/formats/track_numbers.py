"""Numbers of tracks within their class, for formats that number them so."""

from __future__ import annotations


class TrackNumbers:
    """Numbers the tracks of each class from 1 to a highest number."""

    def __init__(self, most: int) -> None:
        """Start without tracks.

        Args:
            most: the highest number that fits the format.
        """
        self._most = most
        self._number_of_track: dict[int, dict[int, int]] = {}

    def number(self, class_id: int, track_id: int) -> int | None:
        """The number of a track, the same each time; None if all numbers are taken."""
        numbers = self._number_of_track.setdefault(class_id, {})
        if track_id not in numbers and len(numbers) == self._most:
            return None
        return numbers.setdefault(track_id, len(numbers) + 1)
