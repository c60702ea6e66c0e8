"""Run a release in a vehicle, and hand every frame to another program as one line of JSON.

On the desk:    streamseg export --out release --target orin --frames dashcam.mp4
In the vehicle: streamseg build release && streamseg check release
                python examples/vehicle.py release /dev/video0 | your_planner

The newest frame is always next: if the GPU is too slow for the camera, older frames are dropped.
"""

import argparse
import json

import streamseg

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("release", help="folder that streamseg export wrote")
parser.add_argument("source", help="camera, URL or file")
arguments = parser.parse_args()

options = streamseg.SourceOptions(size=(1280, 720), rate=30)
with (
    streamseg.load(arguments.release) as segmenter,
    segmenter.stream(arguments.source, options=options) as stream,
):
    for result in stream:
        objects = [
            {"name": i.name, "class": i.class_name, "score": round(i.score, 3), "box": i.box}
            for i in result.instances
            if i.is_confirmed
        ]
        line = {
            "time": result.pts_seconds,
            "latency_ms": round(result.latency_ms, 1),
            "dropped": result.dropped,
            "objects": objects,
        }
        print(json.dumps(line), flush=True)
