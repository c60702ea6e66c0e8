"""Names that last: which instance of this frame is which object of the frames before."""

from streamseg.tracking.association import Cues
from streamseg.tracking.tracker import Tracker, TrackName

__all__ = ["Cues", "TrackName", "Tracker"]
