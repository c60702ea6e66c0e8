"""Segment the cameras of a drive recording, and write masks that Foxglove shows over the images.

    python examples/drive_recording.py drive.mcap objects.mcap /camera/front /camera/rear

`streamseg doctor drive.mcap` lists the topics. The frames of all cameras come in the order of their
stamps; times are those of the recording, in ns.
"""

import argparse

import streamseg

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("recording", help="an MCAP file or ROS bag")
parser.add_argument("out", help="the MCAP file to write")
parser.add_argument("topics", nargs="+", help="camera topics")
parser.add_argument("--model", default="nano")
arguments = parser.parse_args()

sources = [f"{arguments.recording}#{topic}" for topic in arguments.topics]
with (
    streamseg.load(arguments.model) as segmenter,
    streamseg.open_writer("mcap", arguments.out) as writer,
    segmenter.stream(sources) as stream,
):
    for result in stream:
        writer.write(result)
        names = ", ".join(instance.name for instance in result.confirmed) or "nothing"
        print(result.stamp_ns, arguments.topics[result.source_index], names)
