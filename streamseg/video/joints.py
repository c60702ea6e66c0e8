"""Shift sound to the clock of the images in a file of several joined recordings."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from av import Packet

from streamseg.video.clock import RESTART_SECONDS

# Packets of sound ahead of the images at a joint; more than any container allows.
_MOST_WAITING = 2000


class Joints:
    """Shifts packets of sound to the clock of the images, see ``PresentationClock``.

    Packets are passed in the order of the file. Where the clock of the images restarts, that of the
    sound restarts a little before or after.
    """

    def __init__(self, nominal_seconds: float) -> None:
        """Start before the first packet; images without a duration last ``nominal_seconds``."""
        self._nominal_seconds = nominal_seconds
        self._shifts = [0.0]
        self._latest_dts_seconds: float | None = None
        self._end_seconds = self._latest_seconds = 0.0
        self._sound_seconds = float("-inf")
        self._waiting: list[tuple[float, Packet[Any]]] = []
        self.lost = 0
        """Number of packets of sound that have no place on that clock."""

    def note(self, packet: Packet[Any]) -> list[tuple[float, Packet[Any]]]:
        """Add a packet of images; return the sound that waited for it, with times in seconds."""
        if packet.pts is None or packet.time_base is None:
            return []
        dts = packet.pts if packet.dts is None else packet.dts
        dts_seconds = _seconds(dts, packet.time_base)
        seconds = _seconds(packet.pts, packet.time_base)
        latest, self._latest_dts_seconds = self._latest_dts_seconds, dts_seconds
        is_joint = latest is not None and latest - dts_seconds > RESTART_SECONDS
        if is_joint:
            self._shifts.append(self._end_seconds - seconds)
        self._latest_seconds = seconds + self._shifts[-1]
        duration_seconds = _seconds(packet.duration or 0, packet.time_base)
        end_seconds = self._latest_seconds + (duration_seconds or self._nominal_seconds)
        self._end_seconds = max(self._end_seconds, end_seconds)
        if not is_joint:
            return []
        waiting, self._waiting = self._waiting, []
        return [(self._take(start + self._shifts[-1]), sound) for start, sound in waiting]

    def place(self, packet: Packet[Any]) -> float | None:
        """Time of a packet of sound in seconds; None if it has to wait, or has no time."""
        if packet.pts is None or packet.time_base is None:
            return None
        start = _seconds(packet.pts, packet.time_base)
        # a late packet belongs before the latest joint of the images
        seconds = min(
            (start + shift for shift in self._shifts[-2:]),
            key=lambda seconds: abs(seconds - self._latest_seconds),
        )
        if self._sound_seconds - seconds <= RESTART_SECONDS:
            return self._take(seconds)
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.append((start, packet))
        else:
            self.lost += 1
        return None

    def end(self) -> None:
        """Count waiting packets as lost: no images follow."""
        self.lost += len(self._waiting)
        self._waiting = []

    def _take(self, seconds: float) -> float:
        self._sound_seconds = seconds
        return seconds


def _seconds(ticks: int, time_base: Fraction) -> float:
    return float(ticks * time_base)
