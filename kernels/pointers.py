"""What each kernel's pointers point to. Pure Python, as ``launch`` is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NETWORK: Final = "network"
"""As a pointer's type: whatever the network computes in."""

POINTERS: Final[Mapping[str, Mapping[str, str]]] = {
    "decode_scores": {
        "foreground": NETWORK,
        "classes": NETWORK,
        "seediness": "fp32",
        "tau_index": "u8",
        "class_id": "u8",
    },
    "group_pixels": {
        "embeddings": NETWORK,
        "seediness": "fp32",
        "tau_index": "u8",
        "squared_radius": "fp32",
        "scratch": "fp32",
        "keys": "i64",
        "arrivals": "i32",
        "seed_index": "i32",
        "count": "i32",
        "masks": "u8",
    },
    "choose_seeds": {
        "seed_index": "i32",
        "count": "i32",
        "masks": "u8",
        "seediness": "fp32",
        "tau_index": "u8",
        "squared_radius": "fp32",
        "order": "i32",
        "taken": "u8",
        "chosen_index": "i32",
        "chosen_radius": "fp32",
        "chosen_count": "i32",
    },
    "label_pixels": {
        "embeddings": NETWORK,
        "seed_index": "i32",
        "seed_radius": "fp32",
        "count": "i32",
        "label_map": "u16",
        "area_px": "i32",
        "reach": "i32",
        "embedding_sum": "fp32",
        "members": "i32",
    },
    "list_instances": {
        "embeddings": NETWORK,
        "seediness": "fp32",
        "tau_index": "u8",
        "class_id": "u8",
        "chosen_index": "i32",
        "chosen_count": "i32",
        "area_px": "i32",
        "reach": "i32",
        "embedding_sum": "fp32",
        "members": "i32",
        "new_label": "u16",
        "table": "i32",
        "score": "fp32",
        "embedding": "fp32",
        "count": "i32",
    },
    "relabel": {
        "label_map": "u16",
        "new_label": "u16",
        "chosen_count": "i32",
        "count": "i32",
    },
    "find_runs": {
        "label_map": "u16",
        "start": "i32",
        "label": "u16",
        "count": "i32",
    },
}
"""What each kernel's pointers point to, in the order of its arguments."""
