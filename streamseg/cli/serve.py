"""``streamseg serve``: watch streams in a browser, and feed other programs."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from streamseg.cli.arguments import whole
from streamseg.cli.stream_options import (
    add_live_options,
    add_model_options,
    add_topic_option,
    load_segmenter,
    source_options,
)
from streamseg.errors import ConfigError
from streamseg.video.recordings.paths import with_topics

if TYPE_CHECKING:
    from argparse import _SubParsersAction

DESCRIPTION = """\
Segment streams and show them on a web page, live, with masks and names. Other programs get the
results as server-sent events, and counters for Prometheus.

SOURCE is as for `streamseg run`. Files play at their own pace."""
NEW = "new"
VARIABLE = "STREAMSEG_TOKEN"


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "serve",
        help="watch streams in a browser",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="SOURCE", nargs="*")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="where to listen; 0.0.0.0 is every address of this machine (127.0.0.1)",
    )
    parser.add_argument(
        "--port", type=whole, default=8000, metavar="N", help="0 takes a free one (8000)"
    )
    parser.add_argument(
        "--token",
        metavar="TOKEN",
        help=f"what viewers need to know; {NEW} makes one and prints it, as does any address but "
        f"one of this machine alone. The variable {VARIABLE} keeps it out of the list of "
        "processes",
    )
    parser.add_argument(
        "--allow-sources",
        metavar="KINDS",
        help="kinds of sources that viewers may add, with a token: of rtsp, http, rtmp, srt, "
        "camera, test-pattern, file, and local for addresses of this machine; or none (rtsp)",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name by which browsers reach this machine, besides localhost and its addresses; "
        "may be repeated",
    )
    add_model_options(parser)
    add_topic_option(parser)
    live = parser.add_argument_group("cameras and network streams")
    add_live_options(live)
    live.add_argument(
        "--realtime",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="play files at their own pace (default), or as fast as they can be segmented",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    from streamseg.serve import app
    from streamseg.serve.allowed_sources import USUAL_KINDS
    from streamseg.serve.server import (
        Server,
        is_loopback,
        listen,
        names_of_server,
        new_token,
    )

    token = arguments.token or os.environ.get(VARIABLE) or None
    is_new = token == NEW or (token is None and not is_loopback(arguments.host))
    if is_new:
        token = new_token()
    kinds = USUAL_KINDS if token else ()
    if arguments.allow_sources is not None:
        kinds = tuple(kind for kind in arguments.allow_sources.split(",") if kind != "none")
    sources = with_topics(arguments.source, arguments.topic)
    if not sources and not kinds:
        raise ConfigError(f"there is no source: name one, or let viewers add some (--token {NEW})")
    hosts = [*arguments.allow_host, *names_of_server(arguments.host)]
    with (
        listen(arguments.host, arguments.port) as listener,
        load_segmenter(arguments) as segmenter,
        segmenter.stream(
            sources,
            policy=arguments.policy,
            options=source_options(arguments),
            stays_open=True,
        ) as stream,
    ):
        server = Server(app(stream, token=token, allow_sources=kinds, hosts=hosts))
        address = server.address(listener)
        login = f"/login#token={token}" if is_new else ""
        print(f"{segmenter.runtime.description}\nwatch at {address}{login}", file=sys.stderr)
        server.run(sockets=[listener])
    if server.failure:
        print(f"streamseg: {server.failure}", file=sys.stderr)
    return int(bool(server.failure))
