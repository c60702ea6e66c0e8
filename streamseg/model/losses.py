"""The losses of the embeddings, and the targets of the seeds.

The embedding loss and the seeds are those of Fathi et al. 2017; the soft mask loss is not in the
paper. The losses of the classes are in ``class_losses.py``.

Equation numbers are those of docs/method.md. Similarity is
σ(p, q) = 2 / (1 + exp(d²)) with d² the squared distance of two embeddings.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from streamseg.datasets import VOID
from streamseg.model.points import Points

DISTANCE_OFFSET = 1e-2
"""Added to d² between different instances: log(1 - σ) and its gradient stay finite at d² = 0."""


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """d² between all rows: [P, D] and [Q, D] → [P, Q], at least 0."""
    norms = a.square().sum(1)[:, None] + b.square().sum(1)[None]
    return (norms - 2 * a @ b.T).clamp(min=0)


def log_similarity(d2: Tensor) -> Tensor:
    """Log σ = ln 2 - softplus(d²), exact for d² from 0 to beyond 1e4."""
    return math.log(2) - functional.softplus(d2)


def log_dissimilarity(d2: Tensor) -> Tensor:
    """log(1 - σ) = log(-expm1(-d²)) - log1p(exp(-d²)); diverges at d² = 0."""
    return torch.log(-torch.expm1(-d2)) - torch.log1p(torch.exp(-d2))


def embedding_loss(
    drawn: Tensor, coverage: Tensor, points: Points, *, size_exponent: float
) -> Tensor:
    """Equation (2): cross entropy of σ over all pairs of drawn pixels of one image.

    A pair is similar if both pixels show the same, and dissimilar if they show nothing in common. A
    pixel on an outline shows two instances; its pairs with either of them are left out. A pair
    weighs (n_p·n_q)^(-size_exponent), n the pixels of an instance, divided by the points drawn of
    both instances. All weights sum to 1, so the sum is not divided by the number of drawn pixels as
    in the paper.

    Args:
        drawn: [P, D], embeddings of the drawn pixels.
        coverage: [M, h, w], the share of each pixel that object k covers, at k-1.
        points: the drawn pixels, at least one.
        size_exponent: 1 weighs pairs by 1/(n_p·n_q), 0 all alike.

    Returns:
        Scalar.
    """
    d2 = squared_distances(drawn, drawn)
    of_objects = coverage.flatten(1)[:, points.index].T
    shares = torch.cat([1 - of_objects.sum(1, keepdim=True), of_objects], 1)
    # from 0, the same shares, to 2, nothing in common: the shares of a pixel sum to 1
    difference = torch.cdist(shares, shares, p=1)
    # an instance counts once, however many points were drawn of it
    drawn_of_instance = points.instance.bincount()[points.instance]
    weight = points.instance_size.pow(-size_exponent) / drawn_of_instance
    weights = weight[:, None] * weight[None] * ((difference == 0) | (difference == 2))
    log_likelihood = torch.where(
        difference == 0, log_similarity(d2), log_dissimilarity(d2 + DISTANCE_OFFSET)
    )
    return -(weights * log_likelihood).sum() / weights.sum()


@torch.no_grad()
def seed_targets(
    drawn: Tensor,
    embeddings: Tensor,
    labels: Tensor,
    class_of_object: Tensor,
    taus: tuple[float, ...],
    *,
    good_iou: tuple[float, float],
) -> tuple[Tensor, Tensor]:
    """Targets of equation (7): class and quality of each drawn pixel as a seed.

    A mask is grown from each pixel with each τ (equation 3) and compared with the object that it
    overlaps best. The paper's target is the class of that object if the IoU is above a threshold,
    and otherwise background. Here the target is soft: the quality rises from 0 to 1 with the IoU,
    so the pixel that grows the best mask becomes the best seed.

    Args:
        drawn: [P, D], embeddings of the drawn pixels of one image.
        embeddings: [N, D], embeddings of all its pixels.
        labels: [h, w] int64: 0 background, k the k-th object, 255 void.
        class_of_object: [M] int64, class of object k at k-1.
        taus: T similarity thresholds.
        good_iou: IoUs at which the quality is 0 and 1; linear in between.

    Returns:
        Classes int64 [P, T], 0..C, and qualities [P, T] in 0..1, the probability that the network
        should give to the class; 0 where the class is 0.
    """
    objects, shape = len(class_of_object), (len(drawn), len(taus))
    if objects == 0:
        empty = torch.zeros(shape, device=drawn.device)
        return empty.long(), empty
    flat = labels.flatten()
    is_labelled = flat != VOID
    # one column per object and one of ones: a single product gives intersections and areas
    membership = functional.one_hot(flat[is_labelled], objects + 1).float()
    membership[:, 0] = 1
    object_area = membership.sum(0)[1:]
    d2 = squared_distances(drawn, embeddings[is_labelled])
    lowest, highest = good_iou
    targets, qualities = [], []
    for tau in taus:
        overlap = (d2 <= math.log(2 / tau - 1)).float() @ membership
        mask_area, intersection = overlap[:, :1], overlap[:, 1:]
        iou, best = (intersection / (mask_area + object_area - intersection)).max(1)
        quality = ((iou - lowest) / max(highest - lowest, 1e-9)).clamp(0, 1)
        targets.append(torch.where(quality > 0, class_of_object[best], 0))
        qualities.append(quality)
    return torch.stack(targets, dim=1), torch.stack(qualities, dim=1)


def soft_mask_loss(
    drawn: Tensor, embeddings: Tensor, labels: Tensor, coverage: Tensor, points: Points
) -> Tensor:
    """Dice loss of softly grown masks and their objects; not in the paper.

    The soft mask m of a pixel p is the logistic function of 2·(ln 3 - d²): above 1/2 inside the
    mask that p grows with τ = 1/2, equation (3), and below outside. The loss is 1 - Dice of m and
    the coverage c by p's object, over all pixels, with Dice = 2·Σmc / (Σm² + Σc²) (Milletari et al.
    2016, "V-Net"). It is least where m = c: the outline of the mask, which is interpolated, passes
    through a pixel that is half covered.

    Args:
        drawn: [P, D], embeddings of the drawn pixels of one image.
        embeddings: [N, D], embeddings of all its pixels.
        labels: [h, w] int64: 0 background, k the k-th object, 255 void.
        coverage: [M, h, w], the share of each pixel that object k covers, at k-1.
        points: the drawn pixels.

    Returns:
        Scalar, a mean over the drawn pixels of objects; 0 if there are none.
    """
    is_labelled = labels.flatten() != VOID
    seeds = points.instance > 0
    d2 = squared_distances(drawn[seeds], embeddings[is_labelled])
    mask = torch.sigmoid(2 * (math.log(3) - d2))
    own = coverage.flatten(1)[:, is_labelled][points.instance[seeds] - 1]
    dice = 2 * (mask * own).sum(1) / (mask.square().sum(1) + own.square().sum(1))
    return (1 - dice).sum() / max(len(dice), 1)
