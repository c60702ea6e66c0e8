"""Open damaged media, case after case, and watch what comes of it; ``video/test_fuzz.py`` runs it.

    python fuzzed_media.py FOLDER FIRST COUNT

FOLDER holds whole files; case N is made of one of them by the random numbers of seed N. The last
line of the output is one JSON document: how many cases could be read, were refused, and what the
process held at the end. Any other error than our own ends it with a traceback that names the case,
and so does a case that takes more than five seconds.
"""

from __future__ import annotations

import faulthandler
import gc
import json
import logging
import os
import random
import resource
import sys
from itertools import islice
from pathlib import Path

from streamseg.errors import StreamsegError
from streamseg.video.source import open_source

MOST_SECONDS = 5
MOST_FRAMES = 30
# of the cases: allocators and caches have found their size by then
WARM_UP = 0.25


def damaged(data: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """Damage it in one to four ways."""
    out = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        if not out:
            break
        way = chance.randrange(8)
        # heads and indices are where wrong numbers hurt most
        size = len(out) if chance.random() < 0.5 else min(len(out), 600)
        at = chance.randrange(size)
        length = chance.choice((1, 2, 4, 8, 64, 500))
        if way == 0:
            out[at] ^= 1 << chance.randrange(8)
        elif way == 1:
            for _ in range(chance.randint(2, 60)):
                out[chance.randrange(size)] = chance.randrange(256)
        elif way == 2:
            out[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff\xff\xff"))
        elif way == 3:
            del out[at:]
        elif way == 4:
            del out[at : at + length]
        elif way == 5:
            out[at:at] = out[at : at + length] * chance.randint(1, 20)
        elif way == 6:
            other = chance.choice(others)
            start = chance.randrange(len(other))
            out[at:at] = other[start : start + length]
        else:
            out[at : at + length] = chance.randbytes(length)
    return bytes(out)


def read(path: Path) -> int:
    """Read and render what can be read; the number of frames."""
    frames = 0
    with open_source(path) as source:
        for frame in islice(source, MOST_FRAMES):
            frames += 1
            assert frame.render(32, 32).shape == (32, 32, 3)
    return frames


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    folder, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    logging.disable(logging.CRITICAL)
    wholes = {path: path.read_bytes() for path in sorted(folder.iterdir())}
    case = folder.parent / f"case-{first}"
    case.mkdir()
    readable = refused = 0
    held = 0.0
    for seed in range(first, first + count):
        if seed == first + int(WARM_UP * count):
            gc.collect()
            held, files = resident_mb(), len(os.listdir("/proc/self/fd"))
        chance = random.Random(seed)
        whole = chance.choice(list(wholes))
        path = case / f"damaged{whole.suffix}"
        path.write_bytes(damaged(wholes[whole], list(wholes.values()), chance))
        faulthandler.dump_traceback_later(MOST_SECONDS, exit=True)
        try:
            read(path)
            readable += 1
        except StreamsegError:
            refused += 1
        except BaseException as error:
            raise AssertionError(f"case {seed}, made of {whole.name}") from error
        finally:
            faulthandler.cancel_dump_traceback_later()
    gc.collect()  # rosbags leaves a database that it cannot read to the garbage collector
    print(
        json.dumps(
            {
                "readable": readable,
                "refused": refused,
                "more_files": len(os.listdir("/proc/self/fd")) - files,
                "more_mb": round(resident_mb() - held, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
