"""The losses of foreground F and classes Q; equation (7) alone is of Fathi et al. 2017.

Equation numbers are those of docs/method.md.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from streamseg.datasets import VOID


def cross_entropy(
    foreground: Tensor, classes: Tensor, targets: Tensor, quality: Tensor, unlabelled: Tensor
) -> Tensor:
    """Cross entropy with p(c) = F · Q(c), where background has the rest.

    A pixel without a mask may show a class that its data set does not label. The likelihood of
    background is therefore 1 - F · Σ Q(c), summed over the labelled classes. Where Q is an
    unlabelled class, F gets no gradient. Background trains F only, not Q.

    Args:
        foreground: [P, T], logits of F.
        classes: [P, C], log Q.
        targets: [P, T] int64, class c at c; 0 where there is none.
        quality: [P, T], the target probability of the class; that of background is the rest.
        unlabelled: bool [P, C], classes that may be there without a mask.

    Returns:
        [P, T]
    """
    other = classes.detach().masked_fill(~unlabelled, -math.inf).logsumexp(1, keepdim=True)
    # 1 - F·q = (1 - F) + F·(1 - q); not -inf, whose gradient would be NaN
    other = other.clamp(min=-1e4)
    log_f, log_not_f = functional.logsigmoid(foreground), functional.logsigmoid(-foreground)
    background = torch.logaddexp(log_not_f, log_f + other)
    of_class = log_f + classes.gather(1, (targets - 1).clamp(min=0))
    return -(quality * of_class + (1 - quality) * background)


def classification_loss(
    foreground: Tensor, classes: Tensor, targets: Tensor, quality: Tensor, unlabelled: Tensor
) -> Tensor:
    """Equation (7): cross entropy at the drawn pixels, summed over τ.

    Args:
        foreground: [P, T], logits of F at the drawn pixels.
        classes: [P, C], log Q there.
        targets: [P, T] int64, from ``seed_targets``.
        quality: [P, T], from ``seed_targets``.
        unlabelled: bool [P, C], see ``cross_entropy``.

    Returns:
        Scalar, a mean over the pixels.
    """
    total = cross_entropy(foreground, classes, targets, quality, unlabelled).sum()
    return total / max(len(targets), 1)


def semantic_loss(
    foreground: Tensor,
    classes: Tensor,
    labels: Tensor,
    class_of_object: Tensor,
    unlabelled: Tensor,
) -> Tensor:
    """Cross entropy of the class of every pixel of one image; not in the paper.

    Equation (7) has no class targets until masks are good. This loss trains the features from the
    first step. Its foreground logits come from a head that inference does not use.

    Args:
        foreground: [N], logit of every pixel.
        classes: [N, C], log Q.
        labels: [N] int64: 0 background, k the k-th object, 255 void.
        class_of_object: [M] int64, class of object k at k-1.
        unlabelled: bool [C], see ``cross_entropy``.

    Returns:
        Scalar, a mean over the pixels that are not void.
    """
    is_labelled = labels != VOID
    class_of_label = functional.pad(class_of_object, (1, 0))
    targets = class_of_label[labels[is_labelled]]
    entropy = cross_entropy(
        foreground[is_labelled, None],
        classes[is_labelled],
        targets[:, None],
        (targets[:, None] > 0).float(),
        unlabelled[None].expand(len(targets), -1),
    )
    return entropy.sum() / max(len(targets), 1)


def distillation_loss(
    classes: Tensor, teacher: Tensor, unlabelled: Tensor, is_object: Tensor
) -> Tensor:
    """Divergence from the detector on classes that the data set does not label.

    Learning without forgetting (Li and Hoiem 2016, arXiv 1606.09282): outside labelled objects, Q
    stays near the output that the detector had before training. Pixels are weighted by the
    detector's highest score of an unlabelled class. Without this loss, training on labelled objects
    drives the scores of unlabelled classes to 0.

    Args:
        classes: [P, C], log Q.
        teacher: [P, C], logits of the detector's classes, each against all else.
        unlabelled: bool [P, C], see ``cross_entropy``.
        is_object: bool [P], pixels of labelled objects.

    Returns:
        Scalar: the mean Kullback-Leibler divergence.
    """
    scores = teacher.sigmoid().masked_fill(~unlabelled, 0).amax(1)
    weight = scores.masked_fill(is_object, 0)
    divergence = functional.kl_div(
        classes, teacher.log_softmax(1), reduction="none", log_target=True
    ).sum(1)
    return (weight * divergence).sum() / (weight.sum() + 1)
