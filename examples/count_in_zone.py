"""Count the objects that enter a zone, with Roboflow's supervision.

    pip install '.[supervision]'
    python examples/count_in_zone.py street.mp4 --zone 0 200 320 200 320 360 0 360

The zone is a polygon: x and y of its corners in pixels. An object counts once, however long it
stays, because its name stays the same. The last frame is drawn to zone.png.
"""

import argparse
from collections import Counter

import numpy as np
import supervision as sv
from PIL import Image

import streamseg

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("source")
parser.add_argument("--zone", type=int, nargs="+", required=True, metavar="XY")
parser.add_argument("--model", default="nano")
arguments = parser.parse_args()

corners = np.array(arguments.zone).reshape(-1, 2)
zone = sv.PolygonZone(corners, triggering_anchors=[sv.Position.BOTTOM_CENTER])
entered: dict[str, str] = {}  # class of each object, by its name
result = None

with streamseg.load(arguments.model) as segmenter:
    for result in segmenter.stream(arguments.source):
        detections = streamseg.to_supervision(result)
        inside = zone.trigger(detections)
        for name, class_name in zip(
            detections.data["name"][inside], detections.data["class_name"][inside], strict=True
        ):
            if name not in entered:
                print(f"{result.pts_seconds:.2f} s: {name} enters")
                entered[name] = class_name

for class_name, count in Counter(entered.values()).most_common():
    print(f"{class_name}: {count}")
if result is not None:
    annotated = sv.draw_polygon(streamseg.draw(result), corners, sv.Color.WHITE)
    Image.fromarray(annotated).save("zone.png")
