"""Entry point: parse the command line, run a command, print errors as one line."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from streamseg import __version__
from streamseg.cli import (
    batch,
    build,
    check,
    demo,
    doctor,
    evaluate,
    export,
    figures,
    run,
    serve,
    train,
)
from streamseg.errors import StreamsegError
from streamseg.interrupts import STOPPED, ending_like_ctrl_c

DESCRIPTION = "Instance segmentation of video: a mask and a lasting name for every object."
EPILOG = """\
start here:
  streamseg demo                                see it work on real footage
  streamseg run clip.mp4 --out annotated.mp4    your own video, masks drawn in
  streamseg run 0 --jsonl instances.jsonl       camera 0, results as JSON lines
  streamseg serve 0                             watch camera 0 in a browser
  streamseg doctor                              what is installed and what works
"""


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="streamseg",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"streamseg {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in (
        run,
        serve,
        batch,
        demo,
        figures,
        train,
        evaluate,
        export,
        build,
        check,
        doctor,
    ):
        command.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit status: 0 done, 1 failed with a ``StreamsegError``, 130 stopped with Ctrl-C, 143
        with SIGTERM, 129 with SIGHUP. argparse exits with 2 on a wrong command line.
    """
    logging.basicConfig(format="streamseg: %(message)s", level=logging.WARNING)
    if isinstance(sys.stdout, TextIOWrapper):  # names of files may be invalid UTF-8
        sys.stdout.reconfigure(errors="backslashreplace")
    parsed = build_parser().parse_args(arguments)
    with ending_like_ctrl_c() as signal_that_came:
        code = run_command(parsed)
    number = signal_that_came()
    return 128 + number if number and code == STOPPED else code


def run_command(parsed: argparse.Namespace) -> int:
    """Run a parsed command; print a ``StreamsegError`` as one line on stderr.

    Args:
        parsed: its ``run`` is the function to call.

    Returns:
        The exit status, see ``main``.
    """
    try:
        code: int = parsed.run(parsed)
    except StreamsegError as error:
        print(f"streamseg: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("streamseg: stopped", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:
        # the reader has closed the pipe, as in `streamseg run --jsonl - | head`; without the
        # redirection Python would print a second error when it flushes stdout at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


if __name__ == "__main__":
    sys.exit(main())
