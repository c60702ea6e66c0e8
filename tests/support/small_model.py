"""A network that exports in seconds; the shipped trunk takes half a minute, in tests/cli."""

from streamseg.config import ModelConfig

SMALL = ModelConfig(
    trunk="test_efficientnet",
    embedding_dim=4,
    neck_channels=8,
    head_channels=8,
    taus=(0.5, 0.75),
    class_names=("nut", "bolt"),
)
