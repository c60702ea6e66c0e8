from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from streamseg.datasets import VOID
from streamseg.model.class_losses import (
    classification_loss,
    cross_entropy,
    distillation_loss,
    semantic_loss,
)
from streamseg.model.losses import (
    DISTANCE_OFFSET,
    embedding_loss,
    log_dissimilarity,
    log_similarity,
    seed_targets,
    soft_mask_loss,
    squared_distances,
)
from streamseg.model.points import Points, draw_points

TAUS = (0.25, 0.5, 0.75, 0.9)


def random_generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_logs_of_similarity_equal_the_direct_formulas() -> None:
    d2 = torch.linspace(0.01, 30, 500, dtype=torch.float64)
    sigma = 2 / (1 + d2.exp())
    assert_close(log_similarity(d2), sigma.log())
    assert_close(log_dissimilarity(d2), (1 - sigma).log())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_logs_and_their_gradients_are_finite_for_equal_and_for_far_embeddings(
    dtype: torch.dtype,
) -> None:
    d2 = torch.tensor([0, 1e-30, 1e-4, 1, 90, 1e4], dtype=dtype, requires_grad=True)
    for values in (log_similarity(d2), log_dissimilarity(d2 + DISTANCE_OFFSET)):
        (gradient,) = torch.autograd.grad(values.sum(), d2)
        assert values.isfinite().all()
        assert gradient.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_embedding_loss_is_finite_when_two_instances_share_an_embedding(dtype: torch.dtype) -> None:
    rows = torch.tensor([[0, 0], [0, 0], [100, 0], [100, 0]], dtype=dtype, requires_grad=True)
    instance = torch.tensor([0, 1, 1, 2])
    points = Points(torch.arange(4), instance, torch.tensor([9.0, 4.0, 4.0, 1.0]))
    loss = embedding_loss(rows, covered_by(instance, 2), points, size_exponent=1)
    (gradient,) = torch.autograd.grad(loss, rows)
    assert loss.isfinite()
    assert gradient.isfinite().all()


def test_squared_distances_are_those_of_all_pairs() -> None:
    a, b = (
        torch.randn(7, 5, generator=random_generator(1)),
        torch.randn(4, 5, generator=random_generator(2)),
    )
    assert_close(squared_distances(a, b), (a[:, None] - b[None]).square().sum(2))
    assert squared_distances(a, a).min() >= 0


@pytest.mark.parametrize("size_exponent", [0.0, 0.25, 1.0])
def test_embedding_loss_is_equation_2_summed_pair_by_pair(size_exponent: float) -> None:
    instance = [0, 0, 0, 0, 1, 1, 2, 2, 2]
    size = {0: 400.0, 1: 30.0, 2: 7.0}
    rows = torch.randn(len(instance), 3, generator=random_generator(), dtype=torch.float64)
    total = weights = 0.0
    for p, label_p in enumerate(instance):
        for q, label_q in enumerate(instance):
            sizes = (size[label_p] * size[label_q]) ** -size_exponent
            weight = sizes / (instance.count(label_p) * instance.count(label_q))
            d2 = float((rows[p] - rows[q]).square().sum())
            if label_p == label_q:
                likelihood = 2 / (1 + math.exp(d2))
            else:
                likelihood = 1 - 2 / (1 + math.exp(d2 + DISTANCE_OFFSET))
            total -= weight * math.log(likelihood)
            weights += weight
    points = Points(
        torch.arange(len(instance)),
        torch.tensor(instance),
        torch.tensor([size[label] for label in instance], dtype=torch.float64),
    )
    coverage = covered_by(points.instance, 2)
    loss = embedding_loss(rows, coverage, points, size_exponent=size_exponent)
    assert float(loss) == pytest.approx(total / weights, rel=1e-9)


def test_pairs_of_a_pixel_on_an_outline_with_what_it_shows_are_left_out() -> None:
    """Pixels: object 1, its outline, again that outline, background, object 2."""
    shares = torch.tensor([[1.0, 0.0], [0.5, 0.0], [0.5, 0.0], [0.0, 0.0], [0.0, 1.0]])
    points = Points(torch.arange(5), torch.tensor([1, 1, 1, 0, 2]), torch.ones(5))
    rows = torch.randn(5, 3, generator=random_generator()).requires_grad_()

    def gradient(rows: Tensor) -> Tensor:
        loss = embedding_loss(rows, shares.T[:, None], points, size_exponent=0)
        (found,) = torch.autograd.grad(loss, rows)
        return found

    first = gradient(rows)
    moved = rows.detach().clone()
    moved[[1, 2]] += 0.5  # the outline: object 1 and background do not feel it, object 2 does
    second = gradient(moved.requires_grad_())
    assert_close(first[[0, 3]], second[[0, 3]])
    assert not torch.allclose(first[4], second[4])
    apart = rows.detach().clone()
    apart[2] += 0.5
    pulled = gradient(apart.requires_grad_())[2] - gradient(moved.requires_grad_())[2]
    assert pulled @ torch.ones(3) > 0  # the two of the outline draw together


def covered_by(labels: Tensor, objects: int) -> Tensor:
    """[objects, *labels.shape], the coverage if every pixel shows what its label says."""
    return (labels == torch.arange(1, objects + 1).view(-1, *[1] * labels.ndim)).float()


def scene() -> tuple[Tensor, Tensor]:
    """Three objects, background and void on 12x16, and embeddings of which some are muddled."""
    labels = torch.zeros(12, 16, dtype=torch.int64)
    labels[1:6, 1:7], labels[6:11, 2:6], labels[2:9, 9:14] = 1, 2, 3
    labels[5:7], labels[0, :4] = VOID, VOID
    spread = torch.tensor([1.0, 0.1, 0.45, 0.3])
    known = labels.flatten().where(labels.flatten() != VOID, 0)
    centres = 2 * torch.randn(4, 3, generator=random_generator(5))
    noise = torch.randn(len(known), 3, generator=random_generator(6)) * spread[known, None]
    return labels, centres[known] + noise


@pytest.mark.parametrize("good_iou", [(0.5, 0.5), (0.3, 0.8)])
def test_seed_targets_equal_growing_each_mask_and_comparing_it_with_each_object(
    good_iou: tuple[float, float],
) -> None:
    labels, embeddings = scene()
    flat, rows = labels.flatten().numpy(), embeddings.numpy().astype(np.float64)
    known = flat != VOID
    classes = [15, 7, 15]
    drawn = np.flatnonzero(known)[::3]
    expected = np.zeros((len(drawn), len(TAUS)), np.int64)
    expected_quality = np.zeros(expected.shape)
    for s, seed in enumerate(drawn):
        sigma = 2 / (1 + np.exp(np.square(rows - rows[seed]).sum(1)))
        for t, tau in enumerate(TAUS):
            mask = (sigma >= tau) & known
            ious = [
                (mask & (flat == k)).sum() / (mask | (flat == k)).sum()
                for k in range(1, len(classes) + 1)
            ]
            if max(ious) > good_iou[0]:
                expected[s, t] = classes[int(np.argmax(ious))]
                expected_quality[s, t] = np.interp(max(ious), good_iou, (0, 1))
    assert {0, 7, 15} == set(expected.flat)  # else the scene shows little
    targets, quality = seed_targets(
        embeddings[torch.from_numpy(drawn)],
        embeddings,
        labels,
        torch.tensor(classes),
        TAUS,
        good_iou=good_iou,
    )
    assert targets.tolist() == expected.tolist()
    assert_close(quality.double(), torch.from_numpy(expected_quality))


def test_without_objects_every_seed_is_background() -> None:
    labels, embeddings = scene()
    none = torch.zeros(0, dtype=torch.int64)
    targets, quality = seed_targets(
        embeddings[:5], embeddings, torch.zeros_like(labels), none, TAUS, good_iou=(0.5, 0.5)
    )
    assert targets.tolist() == quality.tolist() == [[0] * len(TAUS)] * 5


LABELLED = torch.zeros(6, 3, dtype=torch.bool)
"""Of three classes none is unlabelled."""


def probabilities(foreground: Tensor, classes: Tensor) -> Tensor:
    """[P, T, C+1], background first: what the likelihoods are of, without logarithms."""
    of_class = foreground.sigmoid()[..., None] * classes.exp()[:, None]
    return torch.cat((1 - of_class.sum(2, keepdim=True), of_class), 2)


def random_factors(pixels: int = 6) -> tuple[Tensor, Tensor]:
    """Logits of F [P, 4] and log Q [P, 3]."""
    generator = random_generator()
    foreground = torch.randn(pixels, 4, generator=generator, dtype=torch.float64)
    classes = torch.randn(pixels, 3, generator=generator, dtype=torch.float64)
    return foreground, classes.log_softmax(1)


def test_classification_loss_sums_over_thresholds_and_averages_over_pixels() -> None:
    foreground, classes = random_factors()
    targets = torch.randint(4, (6, 4), generator=random_generator())
    quality = torch.rand(6, 4, generator=random_generator(1), dtype=torch.float64) * (targets > 0)
    log_probabilities = probabilities(foreground, classes).log()
    chosen = log_probabilities.gather(2, targets[..., None])[..., 0]
    loss = classification_loss(foreground, classes, targets, quality, LABELLED)
    assert_close(loss, -(quality * chosen + (1 - quality) * log_probabilities[..., 0]).sum() / 6)
    none = (part[:0] for part in (foreground, classes, targets, quality, LABELLED))
    assert classification_loss(*none) == 0


def test_likelihoods_and_gradients_are_finite_where_background_is_surely_wrong() -> None:
    foreground = torch.tensor([[60.0, -60.0]], requires_grad=True)
    classes = torch.tensor([[60.0, -60.0, 0.0]], requires_grad=True)
    for target in range(4):
        quality = torch.full((1, 2), float(target > 0))
        values = -cross_entropy(
            foreground, classes.log_softmax(1), torch.full((1, 2), target), quality, LABELLED[:1]
        )
        gradients = torch.autograd.grad(values.sum(), (foreground, classes), allow_unused=True)
        assert values.isfinite().all()
        assert all(gradient is None or gradient.isfinite().all() for gradient in gradients)
        if target == 0:  # a wrong foreground gets a full gradient
            assert gradients[0][0, 0] == pytest.approx(-1)


def test_semantic_loss_is_the_mean_over_pixels_that_are_not_void() -> None:
    labels, _ = scene()
    flat = labels.flatten()
    foreground, classes = random_factors(len(flat))
    log_probabilities = probabilities(foreground[:, :1], classes)[:, 0]
    class_of_label = {0: 0, 1: 3, 2: 1, 3: 3}
    likelihoods = [
        math.log(row[class_of_label[label]])
        for row, label in zip(log_probabilities, flat.tolist(), strict=True)
        if label != VOID
    ]
    of_object, none = torch.tensor([3, 1, 3]), torch.zeros(0, dtype=torch.int64)
    loss = semantic_loss(foreground[:, 0], classes, flat, of_object, LABELLED[0])
    assert float(loss) == pytest.approx(-sum(likelihoods) / len(likelihoods), rel=1e-5)
    void = torch.full_like(flat, VOID)
    assert semantic_loss(foreground[:, 0], classes, void, none, LABELLED[0]) == 0


def test_class_255_is_learned_like_any_other() -> None:
    flat = torch.ones(6, dtype=torch.int64)
    classes = torch.randn(6, 300, generator=random_generator()).log_softmax(1)
    of_object, labelled = torch.tensor([255]), torch.zeros(300, dtype=torch.bool)
    loss = semantic_loss(torch.zeros(6), classes, flat, of_object, labelled)
    assert float(loss) == pytest.approx(math.log(2) - float(classes[:, 254].mean()), rel=1e-5)


def test_draw_points_takes_as_many_of_each_instance_as_asked_and_never_void() -> None:
    labels, _ = scene()
    labels[11, 15] = 4  # a single pixel
    points = draw_points(labels, per_instance=5, in_background=20, generator=random_generator())
    assert torch.bincount(points.instance).tolist() == [20, 5, 5, 5, 5]
    assert torch.equal(labels.flatten()[points.index], points.instance)
    for value in range(5):
        sizes = points.instance_size[points.instance == value]
        assert sizes.unique().tolist() == [float((labels == value).sum())]
    assert points.index[points.instance == 4].tolist() == [11 * 16 + 15] * 5


def test_drawn_points_depend_on_the_generator_only() -> None:
    labels, _ = scene()
    first, again, other = (
        draw_points(
            labels, per_instance=5, in_background=20, generator=random_generator(seed)
        ).index
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_map_of_void_gives_no_points() -> None:
    void = torch.full((3, 4), VOID)
    points = draw_points(void, per_instance=5, in_background=20, generator=random_generator())
    assert len(points.index) == len(points.instance) == len(points.instance_size) == 0
    assert points.index.dtype == torch.int64


def test_soft_mask_loss_is_dice_of_mask_and_coverage_seed_by_seed() -> None:
    labels, embeddings = scene()
    points = draw_points(labels, per_instance=3, in_background=4, generator=random_generator(2))
    coverage = torch.rand(3, *labels.shape, generator=random_generator(3))
    losses = []
    for index, instance in zip(points.index.tolist(), points.instance.tolist(), strict=True):
        if instance == 0:
            continue
        overlap = mask = own = 0.0
        shares = coverage[instance - 1].flatten().tolist()
        for row, label, share in zip(
            embeddings.double(), labels.flatten().tolist(), shares, strict=True
        ):
            if label != VOID:
                d2 = float((row - embeddings[index].double()).square().sum())
                grown = 1 / (1 + math.exp(2 * d2) / 9)
                mask, own = mask + grown**2, own + share**2
                overlap += grown * share
        losses.append(1 - 2 * overlap / (mask + own))
    assert len(losses) == 9
    loss = soft_mask_loss(embeddings[points.index], embeddings, labels, coverage, points)
    assert float(loss) == pytest.approx(sum(losses) / 9, rel=1e-5)


def test_soft_mask_loss_is_least_where_the_mask_is_the_coverage() -> None:
    shares = torch.tensor([0.9, 0.9, 0.75, 0.5, 0.25, 0.02])
    distances = (math.log(3) - shares.logit() / 2).clamp(min=0).sqrt()[:, None]
    assert float(distances[3]) ** 2 == pytest.approx(math.log(3))  # where a mask of tau 1/2 ends
    labels = torch.ones(1, 6, dtype=torch.int64)
    seed = Points(torch.tensor([0]), torch.tensor([1]), torch.tensor([6.0]))

    def loss(rows: Tensor) -> float:
        return float(soft_mask_loss(torch.zeros(1, 1), rows, labels, shares.view(1, 1, 6), seed))

    assert loss(distances) == pytest.approx(0, abs=1e-5)
    for changed in range(2, 6):
        for factor in (0.8, 1.2):
            moved = distances.clone()
            moved[changed] *= factor
            assert loss(moved) > 1e-5


def test_soft_mask_loss_falls_as_objects_draw_together_and_apart() -> None:
    labels, embeddings = scene()
    coverage = covered_by(labels, 3)
    points = draw_points(labels, per_instance=5, in_background=5, generator=random_generator(2))
    rows = embeddings.clone().requires_grad_()
    first = soft_mask_loss(rows[points.index], rows, labels, coverage, points)
    (gradient,) = torch.autograd.grad(first, rows)
    moved = embeddings - 5 * gradient
    assert soft_mask_loss(moved[points.index], moved, labels, coverage, points) < first
    nothing = torch.zeros_like(labels)
    points = draw_points(nothing, per_instance=5, in_background=5, generator=random_generator(2))
    rows = embeddings[points.index]
    assert soft_mask_loss(rows, embeddings, nothing, covered_by(nothing, 0), points) == 0


def test_background_stands_for_every_unlabelled_class() -> None:
    foreground, classes = random_factors()
    unlabelled = torch.tensor([False, True, True]).expand(6, 3)
    direct = probabilities(foreground, classes)
    background = torch.zeros(6, 4, dtype=torch.int64)
    found = -cross_entropy(foreground, classes, background, background, unlabelled)
    assert_close(found.exp(), direct[..., [0, 2, 3]].sum(2))
    first = -cross_entropy(foreground, classes, background + 1, background + 1, unlabelled)
    assert_close(first.exp(), direct[..., 1])


def test_background_asks_nothing_of_the_foreground_of_an_unlabelled_class() -> None:
    foreground = torch.zeros(1, 1, requires_grad=True)
    classes = torch.tensor([[-20.0, 0.0, -20.0]]).log_softmax(1)
    background, second = torch.zeros(1, 1, dtype=torch.int64), torch.tensor([[False, True, False]])
    unknown = -cross_entropy(foreground, classes, background, background, second)
    known = -cross_entropy(foreground, classes, background, background, ~second)
    assert torch.autograd.grad(unknown.sum(), foreground)[0].abs() < 1e-6
    assert torch.autograd.grad(known.sum(), foreground)[0] == pytest.approx(-0.5, abs=1e-6)


def test_background_teaches_the_foreground_alone() -> None:
    foreground, classes = random_factors()
    classes.requires_grad_()
    background = torch.zeros(6, 4, dtype=torch.int64)
    loss = classification_loss(
        foreground.requires_grad_(), classes, background, background, LABELLED
    )
    of_foreground, of_classes = torch.autograd.grad(loss, (foreground, classes), allow_unused=True)
    assert (of_foreground > 0).all()
    assert of_classes is None or not of_classes.any()


def test_distillation_looks_where_unlabelled_classes_are_seen_and_nothing_is_labelled() -> None:
    teacher = torch.full((4, 3), -20.0)
    teacher[0, 2] = teacher[1, 2] = 20.0  # an unlabelled class
    teacher[2, 0] = 20.0  # a labelled one
    unlabelled = torch.tensor([False, True, True]).expand(4, 3)
    is_object = torch.tensor([False, True, False, False])
    kept = teacher.log_softmax(1)
    assert distillation_loss(kept, teacher, unlabelled, is_object) == 0
    classes = torch.zeros(4, 3, requires_grad=True)
    loss = distillation_loss(classes.log_softmax(1), teacher, unlabelled, is_object)
    # one pixel, of weight 1 + 1
    assert float(loss.detach()) == pytest.approx(math.log(3) / 2, rel=1e-5)
    (gradient,) = torch.autograd.grad(loss, classes)
    assert gradient[0, 2] < 0 < gradient[0, 0]
    assert gradient[1:].abs().max() < 1e-6
