"""Tracking: match the instances of a frame to the objects of earlier frames."""

from streamseg.tracking.association import Cues
from streamseg.tracking.scene_cuts import THUMBNAIL_SIZE
from streamseg.tracking.tracker import Tracker, TrackName

__all__ = ["THUMBNAIL_SIZE", "Cues", "TrackName", "Tracker"]
