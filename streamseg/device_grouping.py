"""Network output → disjoint instances on a GPU; nothing leaves it but labels and a table.

The same steps as ``grouping.find_segments``. Which seeds there are is known on the GPU only: until
the result is fetched every array has room for ``max_instances``, and flags say what is in use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from streamseg.grouping import GroupingConfig, frame_position
from streamseg.kernels import decode_scores, group_pixels, keep_visible, label_pixels
from streamseg.results import Segments


@dataclass(frozen=True, eq=False)
class DeviceSegments:
    """``Segments`` on the device, with room for K instances."""

    label_map: Tensor
    """uint16 [H, W]: 0 background, k the k-th instance that is in use."""
    used: Tensor
    """bool [K]."""
    table: Tensor
    """float64 [K, 9]: seed, class, score, tau, area, x0, y0, x1, y1; exact, being float32 and
    whole numbers."""
    embedding: Tensor
    """float32 [K, D], of the seed."""
    map_shape: tuple[int, int]
    """h, w of the feature map."""

    def copied_to_host(self) -> DeviceSegments:
        """Start to copy to pinned memory in the current stream; on a CPU they are there already."""
        tensors = (self.label_map, self.used, self.table, self.embedding)
        if self.label_map.is_cuda:
            stream = torch.cuda.current_stream(self.label_map.device)
            for tensor in tensors:
                tensor.record_stream(stream)
        label_map, used, table, embedding = (
            tensor.to("cpu", non_blocking=True) for tensor in tensors
        )
        return DeviceSegments(label_map, used, table, embedding, self.map_shape)

    def on_host(self) -> Segments:
        """What ``copied_to_host`` has copied, when it is done."""
        label_map, used = self.label_map.numpy(), self.used.numpy()
        seed, class_id, score, tau, area, *box = self.table.numpy()[used].T
        height, width = label_map.shape
        return Segments(
            label_map=label_map,
            class_id=class_id.astype(np.int64),
            score=score.astype(np.float32),
            box=np.stack(box, axis=1).astype(np.int64),
            area_px=area.astype(np.int64),
            seed_yx=frame_position(seed.astype(np.int64), self.map_shape, height, width),
            tau=tau.astype(np.float32),
            embedding=self.embedding.numpy()[used],
        )


def find_segments(
    embeddings: Tensor,
    logits: Tensor,
    taus: Sequence[float],
    config: GroupingConfig,
    *,
    height: int,
    width: int,
) -> DeviceSegments:
    """Group pixels into disjoint instances without waiting for the GPU.

    NaN and infinity are not looked for.

    Args:
        embeddings: float16 or float32 [D, h, w], fastest channels last in memory.
        logits: float16 or float32 [T, C+1, h, w].
        taus: T similarity thresholds of the network.
        config: what to keep.
        height: of the picture in pixels.
        width: of the picture in pixels.
    """
    device = embeddings.device
    thresholds = np.asarray(taus, np.float32)
    scores = decode_scores(logits)
    groups = group_pixels(
        embeddings,
        scores.seediness,
        scores.tau_index,
        thresholds,
        alpha=config.alpha,
        max_seeds=config.max_instances,
        min_seediness=config.min_score,
        exclude_claimed=True,
    )
    found = torch.arange(config.max_instances, device=device) < groups.count
    seed = groups.seed_index.clamp(min=0).long()
    score = torch.where(found, scores.seediness.flatten()[seed], -1.0)
    order = torch.sort(score, descending=True, stable=True).indices
    seed, score, found = seed[order], score[order], found[order]
    kept = found & keep_visible(groups.masks, config.min_visible, order=order)
    tau = torch.from_numpy(thresholds).to(device)[scores.tau_index.flatten()[seed].long()]
    labels = label_pixels(
        embeddings, seed.int(), torch.where(kept, tau, 1.0), height=height, width=width
    )
    used = kept & (labels.area_px >= max(1.0, config.min_area * height * width))
    number = torch.where(used, used.cumsum(0), 0)
    new_label = torch.cat((number.new_zeros(1), number))
    columns = (seed, scores.class_id.flatten()[seed], score, tau, labels.area_px, *labels.box.T)
    return DeviceSegments(
        label_map=new_label[labels.label_map.int()].to(torch.uint16),
        used=used,
        table=torch.stack([column.double() for column in columns], dim=1),
        embedding=embeddings.flatten(1)[:, seed].T.float(),
        map_shape=(embeddings.shape[1], embeddings.shape[2]),
    )
