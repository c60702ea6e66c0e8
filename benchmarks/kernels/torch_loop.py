"""How others would group pixels; the benchmark compares them with ours, on equal results."""

from __future__ import annotations

import torch
from torch import Tensor


def torch_loop(
    embeddings: Tensor,
    seediness: Tensor,
    tau_index: Tensor,
    squared_radius: Tensor,
    *,
    alpha: float,
    max_seeds: int,
    min_seediness: float,
    exclude_claimed: bool,
) -> tuple[Tensor, Tensor]:
    """``group_pixels`` as one writes it in torch: a few operations a seed, nothing waited for.

    Args:
        embeddings: [D, h, w].
        seediness: float32 [h, w].
        tau_index: uint8 [h, w].
        squared_radius: float32 [T], ln(2/tau - 1).
        alpha: as for ``group_pixels``, and so are all that follow.
        max_seeds: so many rounds are made, whether candidates are left or not.
        min_seediness: of a candidate.
        exclude_claimed: whether pixels of a mask are candidates no more.

    Returns:
        Seeds int64 [K] and masks bool [K, h, w]; what comes after the last candidate says nothing.
    """
    pixels, likely = embeddings.flatten(1).float(), seediness.flatten()
    index = torch.arange(len(likely), device=likely.device)
    alive = likely >= min_seediness
    nearest = torch.full_like(likely, torch.inf)
    log_likely = likely.log()
    score = likely
    seeds, masks = [], []
    for _ in range(max_seeds):
        seed = torch.where(alive, score, -torch.inf).argmax()
        distance = (pixels - pixels[:, seed, None]).square().sum(0)
        mask = distance <= squared_radius[tau_index.flatten()[seed].long()]
        alive = alive & (index != seed)
        if exclude_claimed:
            alive = alive & ~mask
        nearest = torch.minimum(nearest, distance)
        score = log_likely + alpha * nearest.log()
        seeds.append(seed)
        masks.append(mask)
    return torch.stack(seeds), torch.stack(masks).view(max_seeds, *seediness.shape)
