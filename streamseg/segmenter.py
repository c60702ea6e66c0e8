"""A loaded model that segments images and videos."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from streamseg.closing import Closing
from streamseg.config import CONTINUING_SCORE, SIZE_MULTIPLE
from streamseg.errors import ConfigError
from streamseg.frame import Frame, Image, frame_of_array
from streamseg.grouping.cpu import PAPER_ALPHA, GroupingConfig, one_blas_thread
from streamseg.grouping.proposals import propose
from streamseg.results import FrameResult, NetworkOutput, Proposals
from streamseg.runtime.base import Pending, Runtime
from streamseg.streaming.aio import results_in_thread
from streamseg.streaming.frame_network import FrameNetwork
from streamseg.streaming.pipeline import (
    CpuPending,
    InFlight,
    Pipeline,
    finish,
    open_pipeline,
)
from streamseg.streaming.sources import SourceLike, StreamOptions
from streamseg.streaming.stream import Stream
from streamseg.tracking import Tracker

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Segmenter(Closing):
    """Segments images and videos with one loaded model.

    Each call and each source of a stream has its own tracker: names of two sources are independent.
    Call a segmenter and iterate its streams in one thread at a time. The streams' own threads take
    turns.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        size: tuple[int, int] | None = None,
        max_pixels: int | None = None,
        grouping: GroupingConfig | None = None,
    ) -> None:
        """Use a loaded model.

        Args:
            runtime: a backend with a loaded network.
            size: width and height of the network's input in pixels, multiples of 32. By default
                it follows from the image's aspect and ``max_pixels``.
            max_pixels: most pixels of the network's input; by default the model's own value.
                Fewer pixels are faster; large objects are found better, small ones worse.
            grouping: which instances are kept; its ``min_score`` holds for every class. By
                default the thresholds are those of the model, ``ModelConfig.score_thresholds``.

        Raises:
            ConfigError: a side of ``size`` is not a multiple of 32, ``max_pixels`` is too small, or
                the runtime takes images of another size only.
        """
        if size is not None and (min(size) < 1 or any(side % SIZE_MULTIPLE for side in size)):
            raise ConfigError(f"size must be multiples of {SIZE_MULTIPLE}, got {size}")
        self.runtime = runtime
        if runtime.size and (max_pixels is not None or size not in (None, runtime.size)):
            raise ConfigError(
                f"this model takes images of {runtime.size[0]}x{runtime.size[1]} only: "
                f"leave out size and max_pixels"
            )
        self.size = size or runtime.size
        self.config = runtime.config
        if max_pixels is not None:
            self.config = replace(self.config, max_pixels=max_pixels)
        if grouping is None:
            # finish applies the threshold of each class; what is below may continue a track
            thresholds = self.config.score_thresholds
            lowest = min(*thresholds, CONTINUING_SCORE) if thresholds else GroupingConfig.min_score
            grouping = GroupingConfig(min_score=lowest)
        else:
            self.config = replace(self.config, score_thresholds=())
        self.grouping = grouping
        self._network = FrameNetwork(runtime, self.config, self.size)
        self._pipeline = open_pipeline(self._network, self.grouping, use_threads=False)

    def close(self) -> None:
        """Free device memory; segment nothing afterwards."""
        self.runtime.close()

    def __call__(self, image: Image) -> FrameResult:
        """Segment one image.

        Args:
            image: RGB uint8 [H, W, 3].

        Raises:
            InputError: another dtype or shape.
        """
        frame = frame_of_array(image)
        timings_ms = {"decode": 0.0}
        return self._finish(frame, self._pipeline.submit(frame, timings_ms, alone=True), timings_ms)

    def examine(self, image: Image) -> tuple[FrameResult, NetworkOutput]:
        """Segment one image, and return the network's output too.

        Args:
            image: RGB uint8 [H, W, 3].

        Raises:
            InputError: another dtype or shape.
        """
        frame = frame_of_array(image)
        timings_ms = {"decode": 0.0}
        output, network_ms = self._network.run(frame, timings_ms)
        pending = CpuPending(frame, lambda: (output, network_ms), self.config.taus, self.grouping)
        return self._finish(frame, pending, timings_ms), output

    def _finish(self, frame: Frame, pending: Pending, timings_ms: dict[str, float]) -> FrameResult:
        """Wait for the result of a single image."""
        tracker = Tracker(self.config.class_names)
        return finish(InFlight(frame, pending, tracker, timings_ms), self.config)

    def stream(
        self,
        sources: SourceLike | Iterable[SourceLike],
        **stream_options: Unpack[StreamOptions],
    ) -> Stream:
        """Segment a video, or several at once, frame by frame.

        Args:
            sources: video or image file, folder or glob of images, camera number or
                ``/dev/videoN``, URL, ``test-pattern:``, or an opened ``Source``; or a list of
                these. A single source is opened before this call returns. The sources of a list
                are opened in their own threads, which wait for cameras and network streams that
                do not answer.
            stream_options: ``policy``, ``options``, ``on_event``, ``on_result`` and ``stays_open``,
                see ``StreamOptions``.

        Raises:
            SourceError: a single source cannot be opened, or (later) not read.
            InputError: an argument is not a source.
            ConfigError: the policy is unknown, or ``stays_open`` is given with a single source.
        """
        return Stream(self.open_pipeline(), self.config, sources, **stream_options)

    def open_pipeline(self) -> Pipeline:
        """Open the pipeline of one stream; close it, or the stream that it is given to."""
        return open_pipeline(self._network, self.grouping, use_threads=True)

    def astream(
        self,
        sources: SourceLike | Iterable[SourceLike],
        **stream_options: Unpack[StreamOptions],
    ) -> AsyncGenerator[FrameResult, None]:
        """``stream`` for asyncio: ``async for result in segmenter.astream(source)``.

        The work runs in one other thread. ``aclose``, or cancelling the task, closes the sources.
        Arguments and errors are those of ``stream``, but errors of the call are raised when the
        first result is awaited.
        """
        return results_in_thread(partial(self.stream, sources, **stream_options))

    def propose(self, image: Image, max_seeds: int = 100) -> Proposals:
        """The paper's overlapping proposals for one image, for evaluation.

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
        output, _ = self._network.run(frame, {})
        for alpha in alphas:
            with one_blas_thread():
                proposals = propose(
                    output,
                    self.config.taus,
                    max_seeds=max_seeds,
                    height=frame.height,
                    width=frame.width,
                    alpha=alpha,
                )
            yield proposals
