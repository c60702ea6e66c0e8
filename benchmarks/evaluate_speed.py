"""Measure time and memory of an evaluation as large as VOC 2012 val: 1449 images, 100 proposals.

    python -m benchmarks.evaluate_speed

Objects are ellipses with void borders on 500x375 pixels. Half of the proposals are objects, shifted
and resized; the others are anywhere. Everything that ``streamseg eval --proposals 100`` does after
the network is timed: comparing masks with objects, every score, the quality of each image. Making
the masks is not timed: a few scenes are made once and repeated. The time of the whole is also
predicted from the first images. The limit is two minutes. One core is used; on a busy machine look
at its CPU time. The last line of the output is one JSON document.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamseg import __version__
from streamseg.datasets import VOID, ObjectMaps
from streamseg.evaluate.evaluation import evaluate
from streamseg.evaluate.overlap import ImageComparison, compare
from streamseg.evaluate.report.gallery import image_quality

HEIGHT, WIDTH = 375, 500
LIMIT_SECONDS = 120
SCENES = 12
FIRST = 100
"""Images that the prediction is made from."""
CLASS_NAMES = tuple(f"class {k}" for k in range(1, 21))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="time and memory of a large evaluation")
    parser.add_argument("--images", type=int, default=1449)
    parser.add_argument("--proposals", type=int, default=100)
    arguments = parser.parse_args()

    rng = np.random.default_rng(0)
    images: list[ImageComparison] = []
    wall = cpu = predicted = 0.0
    memory_mib = 0.0
    scenes = [scene(rng, arguments.proposals) for _ in range(SCENES)]
    for i in range(arguments.images):
        sample, masks, class_id, score = scenes[i % SCENES]
        sample = replace(sample, id=f"{i:06}")
        started = time.perf_counter(), time.process_time()
        images.append(compare(sample.id, masks, class_id, score, sample))
        image_quality(images[-1], 0)
        wall, cpu = wall + time.perf_counter() - started[0], cpu + time.process_time() - started[1]
        if len(images) == min(FIRST, arguments.images):
            memory_mib = peak_mib()
            begun = time.process_time()
            evaluate(images, CLASS_NAMES)
            scoring = time.process_time() - begun
            predicted = (cpu + scoring) * arguments.images / len(images)
            print(f"predicted from {len(images)} images: {predicted:.1f} s of CPU time")
    compared = cpu
    growth_mib = peak_mib() - memory_mib
    started = time.perf_counter(), time.process_time()
    result = evaluate(images, CLASS_NAMES)
    wall, cpu = wall + time.perf_counter() - started[0], cpu + time.process_time() - started[1]
    print(
        f"measured: {cpu:.1f} s of CPU time ({compared:.1f} comparing), {wall:.1f} s of wall time"
    )
    for name, seconds in (("CPU time", cpu), ("wall time", wall)):
        met = "met" if seconds <= LIMIT_SECONDS else "MISSED"
        print(f"limit of {LIMIT_SECONDS} s: {name} {met}")
    print(f"memory: {growth_mib:.0f} MiB more after all images than after {FIRST}")
    print(
        json.dumps(
            {
                "streamseg_version": __version__,
                "numpy": np.__version__,
                "machine": platform.machine(),
                "images": arguments.images,
                "proposals": arguments.proposals,
                "predicted_cpu_seconds": round(predicted, 1),
                "cpu_seconds": round(cpu, 1),
                "wall_seconds": round(wall, 1),
                "growth_mib": round(growth_mib, 1),
                "peak_mib": round(peak_mib(), 1),
                "map_r": result.voc.map_r.round(4).tolist(),
            }
        )
    )


def scene(
    rng: np.random.Generator, proposals: int
) -> tuple[ObjectMaps, NDArray[np.bool_], NDArray[np.int64], NDArray[np.float32]]:
    """An image of one to five objects, and proposals for it."""
    count = int(rng.integers(1, 6))
    centres = rng.uniform((40, 40), (HEIGHT - 40, WIDTH - 40), (count, 2))
    radii = rng.uniform(20, 120, (count, 2))
    object_map = np.zeros((HEIGHT, WIDTH), np.uint8)
    for k in range(count):
        object_map[ellipse(centres[k], radii[k] + 3)] = VOID
        object_map[ellipse(centres[k], radii[k])] = k + 1
    values = [value for value in np.unique(object_map).tolist() if 0 < value < VOID]
    renumbered = np.zeros(256, np.uint8)
    renumbered[values] = np.arange(1, len(values) + 1)
    renumbered[VOID] = VOID
    classes = rng.integers(1, 21, count)
    sample = ObjectMaps(
        id="scene",
        object_map=renumbered[object_map],
        class_of_object=classes[np.array(values, np.int64) - 1],
    )
    masks = np.empty((proposals, HEIGHT, WIDTH), np.bool_)
    class_id = rng.integers(1, 21, proposals)
    for k in range(proposals):
        of = int(rng.integers(count))
        if k % 2:
            masks[k] = ellipse(
                centres[of] + rng.normal(0, 12, 2), radii[of] * rng.uniform(0.7, 1.3)
            )
            class_id[k] = classes[of]
        else:
            masks[k] = ellipse(rng.uniform((0, 0), (HEIGHT, WIDTH)), rng.uniform(10, 100, 2))
    return sample, masks, class_id, rng.random(proposals, dtype=np.float32)


def ellipse(centre: NDArray[np.float64], radii: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The pixels of an ellipse, bool [H, W]."""
    y, x = np.ogrid[:HEIGHT, :WIDTH]
    inside: NDArray[np.bool_] = ((y - centre[0]) / radii[0]) ** 2 + (
        (x - centre[1]) / radii[1]
    ) ** 2 <= 1
    return inside


def peak_mib() -> float:
    """Largest resident set of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
