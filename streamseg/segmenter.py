"""The whole chain in one object: picture in, named instances out."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from streamseg.closing import Closing
from streamseg.config import SIZE_MULTIPLE
from streamseg.errors import ConfigError
from streamseg.grouping.cpu import PAPER_ALPHA, GroupingConfig
from streamseg.grouping.proposals import propose
from streamseg.results import (
    Frame,
    FrameResult,
    Image,
    NetworkOutput,
    Proposals,
    frame_of_array,
)
from streamseg.runtime.base import GroupingRuntime, Runtime
from streamseg.streaming.aio import results_in_thread
from streamseg.streaming.chain import Chain, Finish, OnResult
from streamseg.streaming.instances import named_instances
from streamseg.streaming.pipeline import DeviceWork, FetchGrouped, FrameSteps, NetworkThread
from streamseg.streaming.sources import SourceLike
from streamseg.streaming.stream import Stream
from streamseg.tracking import Tracker
from streamseg.video.events import OnEvent
from streamseg.video.options import SourceOptions


class Segmenter(Closing):
    """Segments pictures and videos with one loaded model.

    Each call and each stream has a tracker of its own: names of two streams never mix. One
    segmenter serves one thread at a time.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        size: tuple[int, int] | None = None,
        max_pixels: int | None = None,
        grouping: GroupingConfig | None = None,
    ) -> None:
        """Use a loaded network.

        Args:
            runtime: the network.
            size: width and height of the network's input in pixels, multiples of 32. By default
                it follows from the picture's aspect and ``max_pixels``.
            max_pixels: most pixels of the network's input; by default the model's own choice.
                Fewer are faster, and large objects are found better, small ones worse.
            grouping: which instances are kept.

        Raises:
            ConfigError: ``size`` is no multiple of 32, ``max_pixels`` is too small, or the
                runtime takes pictures of one size only and this is another.
        """
        if size is not None and (min(size) < 1 or any(side % SIZE_MULTIPLE for side in size)):
            raise ConfigError(f"size must be multiples of {SIZE_MULTIPLE}, got {size}")
        self.runtime = runtime
        if runtime.size and (max_pixels is not None or size not in (None, runtime.size)):
            raise ConfigError(
                f"this model takes pictures of {runtime.size[0]}x{runtime.size[1]} only: "
                f"leave out size and max_pixels"
            )
        self.size = size or runtime.size
        self.config = runtime.config
        if max_pixels is not None:
            self.config = replace(self.config, max_pixels=max_pixels)
        self.grouping = grouping or GroupingConfig()
        self._steps = FrameSteps(runtime, self.config, self.grouping, self.size)

    def close(self) -> None:
        """Give back what is held on a device; nothing may be segmented afterwards."""
        if isinstance(self.runtime, GroupingRuntime):
            self.runtime.close()

    def __call__(self, image: Image) -> FrameResult:
        """Segment one picture.

        Args:
            image: RGB uint8 [H, W, 3].

        Raises:
            InputError: another dtype or shape.
        """
        frame = frame_of_array(image)
        if isinstance(self.runtime, GroupingRuntime):
            fetch = DeviceWork(self._steps, self.runtime).begin(frame)
        else:
            fetch = partial(self._steps.group, frame, self._steps.see(frame))
        return self._finish(_Begun(frame, fetch), self._new_tracker())

    def examine(self, image: Image) -> tuple[FrameResult, NetworkOutput]:
        """Segment one picture, and show what the network said of it too.

        Args:
            image: RGB uint8 [H, W, 3].

        Raises:
            InputError: another dtype or shape.
        """
        frame = frame_of_array(image)
        seen = self._steps.see(frame)
        begun = _Begun(frame, partial(self._steps.group, frame, seen))
        return self._finish(begun, self._new_tracker()), seen.output

    def stream(
        self,
        sources: SourceLike | Iterable[SourceLike],
        *,
        policy: str | None = None,
        options: SourceOptions | None = None,
        on_event: OnEvent | None = None,
        on_result: OnResult | None = None,
    ) -> Stream:
        """Segment a video, or several at once, frame by frame.

        Args:
            sources: video or image file, folder or glob of images, camera number or
                ``/dev/videoN``, URL, ``test-pattern:``, or an opened ``Source``; or a list of
                these. A single one is opened here and now; several ones in their own threads,
                where cameras and network streams that do not answer are waited for.
            policy: ``latest`` hands on the newest frame and counts those that it drops (default
                of live sources), ``all`` makes the source wait (default of others), ``every=N``
                leaves out all but each N-th.
            options: how sources are opened and reconnected.
            on_event: called in a source's thread with every change of its state.
            on_result: called with every result just before it is handed out, as a writer's
                ``write``; what it raises is raised from the loop.

        Raises:
            SourceError: a single source cannot be opened, or (later) not read.
            InputError: what is given is no source.
            ConfigError: there is no such policy.
        """
        return Stream(
            self._chain(),
            sources,
            policy=policy,
            options=options,
            on_event=on_event,
            on_result=on_result,
        )

    def astream(
        self,
        sources: SourceLike | Iterable[SourceLike],
        *,
        policy: str | None = None,
        options: SourceOptions | None = None,
        on_event: OnEvent | None = None,
        on_result: OnResult | None = None,
    ) -> AsyncGenerator[FrameResult, None]:
        """``stream`` for asyncio: ``async for result in segmenter.astream(source)``.

        The work is done in one other thread. Leaving the loop through ``aclose``, or cancelling
        the task, closes the sources. Arguments and errors are those of ``stream``; all errors
        come with the first result.
        """
        return results_in_thread(
            partial(
                self.stream,
                sources,
                policy=policy,
                options=options,
                on_event=on_event,
                on_result=on_result,
            )
        )

    def _new_tracker(self) -> Tracker:
        return Tracker(self.config.class_names)

    def propose(self, image: Image, max_seeds: int = 100) -> Proposals:
        """The paper's overlapping proposals for one picture, for evaluation.

        Args:
            image: RGB uint8 [H, W, 3].
            max_seeds: number of proposals wanted.

        Raises:
            InputError: another dtype or shape.
        """
        (proposals,) = self.propose_each(image, max_seeds, [PAPER_ALPHA])
        return proposals

    def propose_each(
        self, image: Image, max_seeds: int, alphas: Iterable[float]
    ) -> Iterator[Proposals]:
        """The paper's proposals at several weights alpha, from one run of the network.

        Args:
            image: RGB uint8 [H, W, 3].
            max_seeds: number of proposals wanted.
            alphas: weights of a seed's distance from the seeds before, equation (4).

        Yields:
            The proposals for each weight.

        Raises:
            InputError: another dtype or shape, or a negative weight.
        """
        frame = frame_of_array(image)
        output = self._steps.see(frame).output
        for alpha in alphas:
            with self._steps.blas.limit(limits=1, user_api="blas"):
                proposals = propose(
                    output,
                    self.config.taus,
                    max_seeds=max_seeds,
                    height=frame.height,
                    width=frame.width,
                    alpha=alpha,
                )
            yield proposals

    def _chain(self) -> Chain:
        """What works on one frame while another is finished: a device, or a thread."""
        worker: DeviceWork | NetworkThread
        if isinstance(self.runtime, GroupingRuntime):
            worker = DeviceWork(self._steps, self.runtime)
        else:
            worker = NetworkThread(self._steps)

        def begin(frame: Frame, dropped: int, decode_ms: float) -> Finish:
            return partial(self._finish, _Begun(frame, worker.begin(frame), dropped, decode_ms))

        return Chain(begin, self._new_tracker, worker.wait_until_free, worker.close)

    def _finish(self, begun: _Begun, tracker: Tracker) -> FrameResult:
        """Name the instances of a frame."""
        grouped = begun.fetch()
        segments = grouped.segments
        started = time.perf_counter()
        tracks = tracker.update(segments, begun.frame.pts_seconds)
        tracking_ms = 1e3 * (time.perf_counter() - started)
        instances = named_instances(segments, tracks, self.config.class_names)
        return FrameResult(
            frame=begun.frame,
            label_map=segments.label_map,
            instances=instances,
            dropped=begun.dropped,
            timings_ms={
                "decode": begun.decode_ms,
                "preprocess": grouped.preprocess_ms,
                "network": grouped.network_ms,
                "grouping": grouped.grouping_ms,
                "tracking": tracking_ms,
            },
            latency_ms=1e3 * (time.monotonic() - begun.frame.captured_at),
        )


@dataclass(frozen=True)
class _Begun:
    """A frame on its way."""

    frame: Frame
    fetch: FetchGrouped
    dropped: int = 0
    decode_ms: float = 0.0
