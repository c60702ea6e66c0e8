"""How ``decode_scores`` is started."""

from __future__ import annotations

from streamseg.kernels.launch import Launch, cdiv, power_of_two


def decode_scores_launch(
    thresholds: int, channels: int, pixels: int, strides: tuple[int, int, int]
) -> Launch:
    """Start ``decode_scores`` on logits [T, C+1, N] of any three strides, in numbers."""
    block = 128  # pixels of a program, one a thread
    names = ("stride_tau", "stride_class", "stride_pixel")
    return Launch(
        "decode_scores",
        (cdiv(pixels, block), 1),
        {"pixels": pixels, **dict(zip(names, strides, strict=True))},
        {
            "THRESHOLDS": thresholds,
            "CHANNELS": channels,
            "CHANNELS_ROUNDED": power_of_two(channels),
            "BLOCK": block,
        },
    )
