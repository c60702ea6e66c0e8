"""``streamseg serve`` as a program of its own."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from camera_servers import free_port, wait_until
from colour_model import write_colour_model
from recorded_drives import raw_shot, stamps, write_foxglove

from streamseg.cli.main import main

STREET = "test-pattern:160x96@12?frames=1000000"


@contextmanager
def serving(tmp_path: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and the line that says where to watch."""
    model = str(write_colour_model(tmp_path / "model.onnx"))
    program = [sys.executable, "-m", "streamseg.cli.main", "serve", "--model", model]
    options = ["--runtime", "onnx", "--port", "0", *arguments]
    with subprocess.Popen([*program, *options], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            line = next((line for line in process.stderr if "watch at" in line), "")
            yield process, line.strip()
        finally:
            process.kill()


def status_of(url: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_it_serves_this_machine_alone_until_it_is_told_to_end(tmp_path: Path) -> None:
    with serving(tmp_path, STREET) as (process, line):
        (url,) = re.findall(r"^watch at (http://127\.0\.0\.1:\d+)$", line)
        assert status_of(f"{url}/healthz") == 200
        wait_until(lambda: status_of(f"{url}/snapshot/0.jpg") == 200, 30)
        with urllib.request.urlopen(f"{url}/streams/0.mjpg") as viewer:
            assert viewer.readline() == b"--frame\r\n"
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 143


def test_topics_of_a_recording_are_its_sources(tmp_path: Path) -> None:
    image = np.full((96, 160, 3), 90, np.uint8)
    topics = ["/camera/front", "/camera/rear"]
    shots = [
        raw_shot(topic, "foxglove.RawImage", at, "rgb8", image)
        for at in stamps(4)
        for topic in topics
    ]
    drive = write_foxglove(tmp_path / "drive.mcap", shots)
    options = [option for topic in topics for option in ("--topic", topic)]
    with serving(tmp_path, str(drive), *options) as (_, line):
        url = line.removeprefix("watch at ")
        for index in range(2):
            wait_until(lambda n=index: status_of(f"{url}/snapshot/{n}.jpg") == 200, 30)  # type: ignore[misc]
        with urllib.request.urlopen(f"{url}/sources") as response:
            names = [source["name"] for source in json.load(response)["sources"]]
    assert names == [f"{drive}#{topic}" for topic in topics]


def test_every_other_address_gets_a_token_which_is_printed_once(tmp_path: Path) -> None:
    with serving(tmp_path, "--host", "0.0.0.0", STREET) as (process, line):
        found = re.fullmatch(r"watch at http://[^:]+:(\d+)/login#token=([\w-]{32})", line)
        assert found
        url = f"http://127.0.0.1:{found[1]}"
        assert status_of(f"{url}/sources") == 401
        assert status_of(f"{url}/sources", Authorization=f"Bearer {found[2]}") == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 143
        assert process.stderr is not None
        assert found[2] not in process.stderr.read()


def test_a_port_that_is_taken_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    import socket

    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        assert main(["serve", STREET, "--port", str(port)]) == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "there is no source"),
        ([STREET, "--token", "short"], "at least 16 characters"),
        ([STREET, "--allow-sources", "rtsp"], "only with a token"),
        ([STREET, "--token", "new", "--allow-sources", "rstp"], "'rstp'"),
        ([STREET, "--port", "99999"], "cannot listen"),
        ([STREET, "--topic", "/camera/front"], "--topic is for MCAP files"),
    ],
)
def test_wrong_options_are_told_in_one_line(
    arguments: list[str], problem: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *arguments]) == 1
    error = capfd.readouterr().err
    assert problem in error
    assert error.count("\n") == 1


def test_without_the_extra_it_says_what_to_install() -> None:
    code = """
import sys
sys.modules["starlette"] = None
from streamseg.cli.main import main
raise SystemExit(main(["serve", "0"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "streamseg: starlette is not installed: pip install 'streamseg[serve]'\n"
    )
