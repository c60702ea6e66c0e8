"""Types that the stages of the pipeline pass on.

``Frame`` → ``NetworkOutput`` → ``Segments`` → ``FrameResult``; ``Proposals`` for evaluation.
Letters: D embedding dims, T thresholds, C classes without background, h×w feature map,
H×W frame, K proposals, M instances. Boxes are x0, y0, x1, y1 in pixels, half open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streamseg.frame import Frame, Image

Box: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class NetworkOutput:
    """Embeddings, foreground and classes of one image, as a network computes them."""

    embeddings: NDArray[np.float32]
    """[D, h, w]"""
    foreground: NDArray[np.float32]
    """[T, h, w], logits of F: the probability that a pixel grows a good mask with each tau."""
    classes: NDArray[np.float32]
    """[C, ceil(h/2), ceil(w/2)], Q: probabilities of classes. Their sum is below 1 if the model
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
    """The instances of one image before tracking names them; their masks are disjoint."""

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
    """[K], 0..K-1: the order in which the seeds were picked. Keep those with ``pick < n`` to get
    the result of ``max_seeds=n``."""
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
    """Unique within its source over all classes, from 1. With several sources, ``source_index`` and
    ``track_id`` together identify an object."""
    is_confirmed: bool
    """Whether there is enough evidence that the object is real: one score of 0.85, or scores that
    add up to 1, of masks that reach the threshold of their class. Once true it stays true for the
    track."""
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
    """The instances of one frame, with its image, its source and the times that it took."""

    frame: Frame
    label_map: NDArray[np.uint16]
    """[H, W]: 0 background, k is ``instances[k-1]``."""
    instances: tuple[Instance, ...]
    dropped: int
    """Number of frames of the source that were dropped just before this one: by the policy, by
    ``Stream.skip``, or of a camera during ``Stream.pause``."""
    timings_ms: Mapping[str, float]
    """Time of each stage in ms: decode, preprocess, network, grouping, tracking."""
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
