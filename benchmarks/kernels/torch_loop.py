"""``group_pixels`` as a plain loop in torch, to compare with."""

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
    """``group_pixels`` in plain torch: a few operations per seed, without a wait for the GPU.

    Args:
        embeddings: [D, h, w].
        seediness: float32 [h, w].
        tau_index: uint8 [h, w].
        squared_radius: float32 [T], ln(2/tau - 1).
        alpha: see ``group_pixels``, as for all that follow.
        max_seeds: number of rounds, also if no candidates are left.
        min_seediness: of a candidate.
        exclude_claimed: whether pixels inside a mask are no longer candidates.

    Returns:
        Seeds int64 [K] and masks bool [K, h, w]; those after the last candidate have no meaning.
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
