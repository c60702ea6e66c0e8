"""Connect to Ray: start it on this machine, or join a cluster."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from streamseg.batch.shares import Shares
from streamseg.cores import usable_cores
from streamseg.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from ray.actor import ActorHandle

    from streamseg.batch.job import Job
    from streamseg.batch.store import Store

LOCAL: Final = "local"
"""Ray's address for a new Ray on this machine."""
_OBJECT_STORE_BYTES = 128 << 20  # results do not go through it


@contextmanager
def connected(address: str | None) -> Iterator[bool]:
    """Connect to Ray, where this process is not connected already; disconnect at the end.

    Args:
        address: of a cluster, as ``ray://head:10001`` or ``auto``; None takes that in
            ``RAY_ADDRESS``, and else starts Ray on this machine, for the time of the run.

    Yields:
        Whether it is this machine alone.

    Raises:
        MissingExtraError: Ray is not installed.
        ConfigError: no cluster answers there.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no request to other servers
    # by default it lowers the priority of workers on this machine by 15
    os.environ.setdefault("RAY_worker_niceness", "0")
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("ray", "batch") from error
    if ray.is_initialized():
        yield False
        return
    address = address or os.environ.get("RAY_ADDRESS") or LOCAL
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == LOCAL:
        options |= {
            "num_cpus": usable_cores(),
            "include_dashboard": False,
            "object_store_memory": _OBJECT_STORE_BYTES,
        }
    for is_last in (False, True):
        try:
            with _same_sigterm():
                ray.init(address=address, **options)
            break
        # Ray also raises plain Exception: on a busy machine its start can time out
        except Exception as error:
            ray.shutdown()
            if is_last or address != LOCAL:
                where = "on this machine" if address == LOCAL else f"at {address}"
                raise ConfigError(f"cannot connect to Ray {where}: {last_line(error)}") from error
    try:
        yield address == LOCAL
    finally:
        with _same_sigterm():
            ray.shutdown()


def room(shares: Shares, *, is_this_machine: bool) -> int:
    """How many workers fit into the cluster as it is now.

    Raises:
        ConfigError: not one fits into this machine.
    """
    import ray

    resources = ray.cluster_resources()
    wants_more = shares.cpus > resources.get("CPU", 0) or shares.gpus > resources.get("GPU", 0)
    if is_this_machine and wants_more:
        raise ConfigError(
            f"a worker takes {shares.cpus:g} CPUs and {shares.gpus:g} GPUs; this machine has "
            f"{resources.get('CPU', 0):g} and {resources.get('GPU', 0):g}"
        )
    return shares.fit_into(resources.get("CPU", 0), resources.get("GPU", 0))


def worker_starter(
    shares: Shares, job: Job, store: Store, model_sha256: str
) -> Callable[[], ActorHandle[Any]]:
    """A function that starts a ``Worker`` on a machine with room for it."""
    import ray

    from streamseg.batch.worker import Worker

    # one call segments, and a second one asks how far it is, or stops it
    actor = ray.remote(Worker).options(
        num_cpus=shares.cpus, num_gpus=shares.gpus, max_concurrency=2, max_restarts=0
    )
    return lambda: actor.remote(job, store, model_sha256, shares)


def last_line(error: Exception) -> str:
    """What an error of Ray says at its end, below the traceback of another process."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()


@contextmanager
def _same_sigterm() -> Iterator[None]:
    """Keep the handler of SIGTERM, which Ray takes over when it connects."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)
