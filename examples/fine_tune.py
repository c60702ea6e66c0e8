"""Fine-tune the shipped model on your own data, score it, and run it on a clip.

    pip install '.[train,export]'
    python examples/fine_tune.py my_data clip.mp4 --steps 1000

``my_data`` is a data set with the splits train and val; docs/own_data.md describes the formats. The
model is written to runs/mine, the report to runs/mine/report, the annotated clip to mine.mp4. An
interrupted run continues with the same command.
"""

import argparse
import subprocess
from pathlib import Path

import streamseg

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("data", help="folder with the splits train and val")
parser.add_argument("clip", help="video to try the new model on")
parser.add_argument("--init", default="nano", help="weights to start from")
parser.add_argument("--steps", default="1000")
parser.add_argument("--out", type=Path, default=Path("runs/mine"))
parser.add_argument(
    "--set", action="append", default=[], help="more settings, as train.batch_size=4"
)
arguments = parser.parse_args()

run, model = arguments.out, arguments.out / "model.onnx"
train = ["streamseg", "train", "--data", arguments.data, "--out", str(run)]
train += ["--steps", arguments.steps]
if not (run / "checkpoint.pt").exists():  # else the run continues
    train += ["--init", arguments.init]
for setting in arguments.set:
    train += ["--set", setting]
subprocess.run(train, check=True)

evaluate = ["streamseg", "eval", "--data", arguments.data, "--model", str(model)]
subprocess.run([*evaluate, "--out", str(run / "report")], check=True)

segment = ["streamseg", "run", arguments.clip, "--model", str(model), "--out", "mine.mp4"]
subprocess.run(segment, check=True)

with streamseg.load(model) as segmenter:
    names = {
        instance.name
        for result in segmenter.stream(arguments.clip)
        for instance in result.instances
        if instance.is_confirmed
    }
print("confirmed objects:", ", ".join(sorted(names)) or "none")
