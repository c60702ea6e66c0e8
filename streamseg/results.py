"""The typed objects that flow through streamseg, one for each arrow of the pipeline.

``Frame`` → ``NetworkOutput`` → ``Segments`` → ``FrameResult``; ``Proposals`` for evaluation.
Letters: D embedding dims, T thresholds, C classes without background, h×w feature map,
H×W frame, K proposals, M instances. Boxes are x0, y0, x1, y1 in pixels, half open.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streamseg.array_image import ArrayImage
from streamseg.errors import InputError

Image: TypeAlias = NDArray[np.uint8]  # RGB [H, W, 3]
Box: TypeAlias = tuple[int, int, int, int]


class Recorded(NamedTuple):
    """Where in a drive recording a frame comes from."""

    stamp_ns: int
    """When the image was taken, by the header of its message, in ns; the log time if the header
    is empty. It is the recording's own value, also where it jumps back."""
    log_ns: int
    """When the recorder received the message, in ns."""
    topic: str
    """As ``/camera/front``."""
    frame_id: str
    """Coordinate frame of the camera; may be empty."""


UNNUMBERED = -1
"""``Frame.image_number`` of an image that has none, among others that are numbered."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One image of a source, converted when it is first used.

    A pickled or deeply copied frame holds the full-size image instead of the decoder's frame, and
    scales that image.
    """

    index: int
    """Position in the source, counted from 0."""
    pts_seconds: float
    """Presentation time from the media's own clock, in seconds."""
    height: int
    """Height of the upright image in pixels (rotation metadata is applied)."""
    width: int
    """Width of the upright image in pixels."""
    render: Callable[[int, int], Image] = field(repr=False)
    """``render(width, height)``: the upright image as RGB uint8 [height, width, 3]."""
    pixel_aspect: Fraction = field(default=Fraction(1), repr=False)
    """Width of a displayed pixel divided by its height. Sizes, masks and boxes are always in pixels
    as stored; the network sees square pixels."""
    captured_at: float = field(default_factory=time.monotonic, repr=False)
    """When it reached this machine, before decoding; seconds on the clock of ``time.monotonic``."""
    is_still: bool = field(default=False, repr=False)
    """Whether it is a single image and not a frame of a video. Stills have no tracks to confirm."""
    image_name: str | None = field(default=None, repr=False)
    """Name of the image's file, without suffix unless two images would then share it. None for
    video, and where two images share even the full name."""
    image_number: int | None = field(default=None, repr=False)
    """The name as a number; ``UNNUMBERED`` if this name is not a number but most others are. None
    where the images of the source are not named by numbers."""
    recorded: Recorded | None = field(default=None, repr=False)
    """Stamp and topic of the message; None if the source is not a drive recording."""

    @property
    def stamp_ns(self) -> int | None:
        """``recorded.stamp_ns``: when the image was taken, in ns; None without a recording."""
        return None if self.recorded is None else self.recorded.stamp_ns

    @property
    def display_width(self) -> int:
        """Width of the displayed image if its pixels are square and its height is ``height``."""
        return max(1, round(self.width * self.pixel_aspect))

    @cached_property
    def image(self) -> Image:
        """The image at its own size, RGB uint8 [H, W, 3]; converted on first use."""
        return self.render(self.width, self.height)

    def __getstate__(self) -> dict[str, Any]:
        """All fields, with the image in place of the decoder's frame."""
        return {**self.__dict__, "image": self.image, "render": ArrayImage(self.image)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the fields of a frozen object."""
        self.__dict__.update(state)


def frame_of_array(image: Image) -> Frame:
    """Wrap an image in memory.

    Args:
        image: RGB uint8 [H, W, 3].

    Raises:
        InputError: the dtype or shape is another, or there are no pixels.
    """
    if not isinstance(image, np.ndarray):
        raise InputError(
            f"image must be a numpy array, got {type(image).__name__}; "
            f"for files and cameras use stream()"
        )
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise InputError(
            f"image must be RGB uint8 [H, W, 3], got {image.dtype} {list(image.shape)}"
        )

    height, width = image.shape[:2]
    return Frame(
        index=0,
        pts_seconds=0.0,
        height=height,
        width=width,
        render=ArrayImage(image),
        is_still=True,
    )


@dataclass(frozen=True, eq=False)
class NetworkOutput:
    """The output of a network for one image."""

    embeddings: NDArray[np.float32]
    """[D, h, w]"""
    foreground: NDArray[np.float32]
    """[T, h, w], logits of F: how likely a pixel grows a good mask with each threshold."""
    classes: NDArray[np.float32]
    """[C, ceil(h/2), ceil(w/2)], Q: probabilities of classes. Their sum is below 1 where the model
    knows classes that were not selected."""

    def distribution(self) -> NDArray[np.float32]:
        """C(τ, p, c) of equation (6), [T, C+1, h, w], background first."""
        height, width = self.foreground.shape[1:]
        classes = self.classes.repeat(2, 1)[:, :height].repeat(2, 2)[:, :, :width]
        with np.errstate(over="ignore"):
            foreground = 1 / (1 + np.exp(-self.foreground))
        of_class = foreground[:, None] * classes
        background = 1 - of_class.sum(1, keepdims=True)
        distribution: NDArray[np.float32] = np.concatenate((background, of_class), 1)
        return distribution


@dataclass(frozen=True, eq=False)
class Segments:
    """Disjoint instances of one image, before tracking names them."""

    label_map: NDArray[np.uint16]
    """[H, W]: 0 background, k the k-th instance (row k-1 of the arrays below)."""
    class_id: NDArray[np.int64]
    """[M], 1..C"""
    score: NDArray[np.float32]
    """[M], 0..1, highest first."""
    box: NDArray[np.int64]
    """[M, 4]"""
    area_px: NDArray[np.int64]
    """[M], at least 1."""
    seed_yx: NDArray[np.int64]
    """[M, 2], in pixels of the image."""
    tau: NDArray[np.float32]
    """[M], the similarity threshold that each mask was grown with."""
    embedding: NDArray[np.float32]
    """[M, D], mean embedding of the pixels of each mask."""

    def __len__(self) -> int:
        """Number of instances M."""
        return len(self.class_id)

    def select(self, kept: NDArray[np.bool_]) -> Segments:
        """Some of the instances, in their order; labels are numbered anew from 1.

        Args:
            kept: [M]
        """
        if kept.all():
            return self
        new_label = np.zeros(len(self) + 1, np.uint16)
        new_label[1:][kept] = np.arange(1, kept.sum() + 1)
        return Segments(
            label_map=new_label[self.label_map],
            class_id=self.class_id[kept],
            score=self.score[kept],
            box=self.box[kept],
            area_px=self.area_px[kept],
            seed_yx=self.seed_yx[kept],
            tau=self.tau[kept],
            embedding=self.embedding[kept],
        )


@dataclass(frozen=True, eq=False)
class Proposals:
    """The paper's overlapping proposals of one image, highest score first."""

    masks: NDArray[np.bool_]
    """[K, H, W]"""
    class_id: NDArray[np.int64]
    """[K], 1..C"""
    score: NDArray[np.float32]
    """[K], 0..1"""
    pick: NDArray[np.int64]
    """[K], 0..K-1: the order in which the seeds were picked. Proposals with a value below n are
    those of ``max_seeds=n``."""
    seed_yx: NDArray[np.int64]
    """[K, 2], in pixels of the image."""
    tau: NDArray[np.float32]
    """[K]"""

    def __len__(self) -> int:
        """Number of proposals K."""
        return len(self.class_id)


@dataclass(frozen=True, eq=False, repr=False)
class Instance:
    """One object in one frame."""

    name: str
    """Class and number: ``car-1``. It lasts as long as the object is tracked; only if the vote on
    its class changes, which a confirmed object needs four times the votes for, it has another name.
    ``track_id`` stays the same."""
    class_name: str
    class_id: int
    """1..C"""
    track_id: int
    """Unique within the stream over all classes, from 1."""
    is_confirmed: bool
    """Whether there is enough evidence that the object is real: a high score, or a long track.
    Once true it stays true for the track."""
    score: float
    """0..1"""
    box: Box
    """x0, y0, x1, y1 in pixels, half open."""
    area_px: int
    seed_yx: tuple[int, int]
    """The pixel that the mask was grown from."""
    tau: float
    """Similarity threshold of the mask."""
    embedding: NDArray[np.float32]
    """[D], mean embedding of its pixels."""
    label: int
    """Value of this instance in ``label_map``."""
    label_map: NDArray[np.uint16]
    """[H, W], shared by all instances of the frame."""

    def __repr__(self) -> str:
        """Name, score, place and the shape of the mask; no pixels."""
        return (
            f"Instance(name={self.name!r}, score={self.score:.2f}, box={self.box}, "
            f"area_px={self.area_px}, is_confirmed={self.is_confirmed}, "
            f"mask=bool {list(self.label_map.shape)})"
        )

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Bool [H, W]; masks of one frame are disjoint."""
        mask: NDArray[np.bool_] = self.label_map == self.label
        return mask

    def rle(self) -> dict[str, Any]:
        """The mask in COCO's compressed run-length encoding.

        Returns:
            ``{"size": [H, W], "counts": str}``, as ``pycocotools.mask.decode`` takes it.
        """
        from streamseg.rle import encode

        return encode(self.label_map, [self.label])[0]


@dataclass(frozen=True, eq=False, repr=False)
class FrameResult:
    """The result of one frame."""

    frame: Frame
    label_map: NDArray[np.uint16]
    """[H, W]: 0 background, k is ``instances[k-1]``."""
    instances: tuple[Instance, ...]
    dropped: int
    """Frames of the source that were skipped just before this one."""
    timings_ms: Mapping[str, float]
    """Latency of each stage: decode, preprocess, network, grouping, tracking."""
    latency_ms: float = 0.0
    """Time from the frame's arrival on this machine to this result, waiting included."""
    source: str = ""
    """The source of the frame, passwords masked; empty for an image in memory."""
    source_index: int = 0
    """Position of the source among those of the stream, from 0."""

    def __repr__(self) -> str:
        """Source, frame, names and the shape of the label map; no pixels."""
        names = ", ".join(instance.name for instance in self.instances)
        return (
            f"FrameResult(source={self.source!r}, index={self.index}, "
            f"pts_seconds={self.pts_seconds:.3f}, instances=({names}), dropped={self.dropped}, "
            f"latency_ms={self.latency_ms:.1f}, label_map=uint16 {list(self.label_map.shape)})"
        )

    @property
    def index(self) -> int:
        """Position in the source, counted from 0."""
        return self.frame.index

    @property
    def pts_seconds(self) -> float:
        """Presentation time from the media's own clock, in seconds."""
        return self.frame.pts_seconds

    @property
    def stamp_ns(self) -> int | None:
        """When the image was taken, in ns; None if the source is not a drive recording."""
        return self.frame.stamp_ns

    @property
    def confirmed(self) -> tuple[Instance, ...]:
        """The instances that are confirmed; all instances of a single image."""
        if self.frame.is_still:
            return self.instances
        return tuple(instance for instance in self.instances if instance.is_confirmed)

    @property
    def image(self) -> Image:
        """The full-size image, RGB uint8 [H, W, 3]; converted on first use."""
        return self.frame.image
