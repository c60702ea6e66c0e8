"""Segment an archive of recordings: what is done is skipped, all else goes to workers on Ray."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from importlib.util import find_spec

from streamseg.batch.cluster import connected, room, worker_starter
from streamseg.batch.inputs import Recording, find_recordings
from streamseg.batch.job import VERSION, Job, model_hash, portable_model
from streamseg.batch.progress import BatchSummary, OnProgress, Progress, RunCounts
from streamseg.batch.scheduling import Scheduler
from streamseg.batch.shares import Shares
from streamseg.batch.store import Store
from streamseg.batch.tasks import Task
from streamseg.classes import Classes
from streamseg.errors import ConfigError, MissingExtraError
from streamseg.video.options import SourceOptions


def run(
    sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    formats: Sequence[str] = ("parquet",),
    topics: Sequence[str] = (),
    model: str | os.PathLike[str] | None = None,
    size: tuple[int, int] | None = None,
    max_pixels: int | None = None,
    min_score: float | None = None,
    classes: Classes | None = None,
    runtime: str = "auto",
    options: SourceOptions | None = None,
    workers: int | None = None,
    cpus: float = 1.0,
    gpus: float | None = None,
    address: str | None = None,
    retries: int = 2,
    chunk_seconds: float | None = None,
    on_progress: OnProgress | None = None,
) -> BatchSummary:
    """Segment recordings on all cores of this machine, or on a cluster.

    The results of each are in ``out/recording=NAME/``, which appears when they are complete. A
    recording that is done there, with the same content, model and options, is skipped.

    Args:
        sources: files, folders, patterns, text lists, and URLs of object stores; or one of these.
        out: folder or URL of an object store.
        formats: names of formats, see ``open_writer``.
        topics: camera topics of MCAP files and ROS bags; by default the only one. Several are for
            ``parquet``, ``jsonl`` and ``mcap``, which tell cameras apart.
        model: see ``load``, as for the next five; the file is read on every machine.
        size: see ``load``.
        max_pixels: see ``load``.
        min_score: see ``load``.
        classes: see ``load``.
        runtime: see ``load``; ``auto`` takes a GPU only where a worker has a share of one.
        options: how recordings are opened.
        workers: how many; by default as many as there is room for now.
        cpus: share of each worker, in cores; it uses as many threads.
        gpus: share of each worker, in GPUs, as 0.5; above 1 a whole number. By default 1 for
            ``cuda`` and ``tensorrt``, and 0 else.
        address: of a Ray cluster, as ``ray://head:10001``; by default that in ``RAY_ADDRESS``,
            else Ray is started on this machine. Where Ray is connected already, that is used.
        retries: further tries with a recording or chunk that failed, or whose worker died.
        chunk_seconds: split longer recordings into chunks of at least this length, so that several
            workers share one. The results are the same as without. None splits none.
        on_progress: called with ``Progress`` at least every half second, in this thread.

    Returns:
        What became of the recordings; ``out/_summary.json`` holds the same. Those that were given
        up are in ``failures``.

    Raises:
        InputError: nothing is found, or something is not a source.
        SourceError: a file is missing, or a file system cannot be read.
        SinkError: ``out`` cannot be written, or another run is writing there.
        ConfigError: a value is out of range, Ray cannot be reached, or no worker be started.
        ModelError: the model cannot be loaded.
        MissingExtraError: Ray, or what a format or runtime needs, is not installed.
        KeyboardInterrupt: after Ctrl-C; what is done stays, the summary is written.
    """
    if not find_spec("ray"):
        raise MissingExtraError("ray", "batch")
    if workers is not None and workers < 1:
        raise ConfigError(f"workers must be at least 1, got {workers}")
    if retries < 0:
        raise ConfigError(f"retries must be 0 or more, got {retries}")
    for name, value in (("formats", formats), ("topics", topics)):
        if isinstance(value, str):
            raise ConfigError(f"{name} must be a list of names, got {value!r}")
    shares = Shares.of(runtime, cpus, gpus)
    job = Job(
        formats=tuple(dict.fromkeys(formats)),
        topics=tuple(dict.fromkeys(topics)),
        model=portable_model(model),
        size=size,
        max_pixels=max_pixels,
        min_score=min_score,
        classes=classes,
        runtime=runtime,
        source_options=options or SourceOptions(),
        chunk_seconds=chunk_seconds,
    )
    store = Store(os.fspath(out))
    model_sha256 = model_hash(job.model)
    if isinstance(sources, str | os.PathLike):
        sources = [sources]
    recordings = find_recordings(sources, without=store.place)
    job_options = job.options()
    with store.claimed():
        entries = store.entries(recording.name for recording in recordings)

        def is_done(recording: Recording) -> bool:
            entry = entries.get(recording.name)
            return (
                entry is not None
                and entry.is_of(model_sha256, job_options)
                and entry.has_seen(recording)
            )

        tasks = [Task(recording) for recording in recordings if not is_done(recording)]
        counts = RunCounts(
            recordings=len(recordings),
            skipped=len(recordings) - len(tasks),
            to_do_bytes=sum(task.recording.size for task in tasks),
            retries=retries,
        )
        stopped = True
        try:
            if tasks:
                with connected(address) as is_this_machine:
                    scheduler = Scheduler(
                        worker_starter(shares, job, store, model_sha256),
                        workers or room(shares, is_this_machine=is_this_machine),
                        tasks,
                        counts,
                        on_progress or _ignore,
                    )
                    scheduler.run()
            stopped = False
        finally:
            last = counts.progress([], 0)
            summary = BatchSummary(
                recordings=last.recordings,
                skipped=last.skipped,
                done=last.done,
                failures=last.failures,
                retried=last.retried,
                not_split=last.not_split,
                frames=counts.frames,
                seconds=round(last.seconds, 3),
                start_seconds=round(counts.start_seconds, 3),
                frames_per_second=round(counts.frames / last.seconds, 3) if last.seconds else 0.0,
                workers=counts.most_workers,
                worker=counts.worker,
                stopped=stopped,
                model_sha256=model_sha256,
                options=job_options,
                streamseg_version=VERSION,
            )
            store.write_summary(json.dumps(summary.to_json(), indent=1) + "\n")
    if on_progress:
        on_progress(last)
    return summary


def _ignore(_progress: Progress) -> None:
    """Report nothing."""
