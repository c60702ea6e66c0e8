"""The paper's trunk: DeepLab with a ResNet-101, its last layer cut off."""

from __future__ import annotations

from torch import Tensor, nn

from streamseg.errors import MissingExtraError
from streamseg.model.trunk import Trunk, TrunkOutput


class Deeplab(Trunk):
    """torchvision's DeepLab v3 up to the features that its classifier would see.

    The paper used DeepLab v2, trained on COCO; this is the nearest that is still maintained.
    """

    def __init__(self, *, pretrained: bool) -> None:
        """Build; ``pretrained`` lets torchvision fetch COCO_WITH_VOC_LABELS_V1.

        Raises:
            MissingExtraError: torchvision is not installed.
        """
        super().__init__()
        self.channels = [256]
        try:
            from torchvision.models.segmentation import (
                DeepLabV3_ResNet101_Weights,
                deeplabv3_resnet101,
            )
        except ImportError as error:
            raise MissingExtraError("torchvision", "train") from error
        weights = DeepLabV3_ResNet101_Weights.COCO_WITH_VOC_LABELS_V1 if pretrained else None
        # the auxiliary classifier is part of the file
        whole = deeplabv3_resnet101(
            weights=weights, weights_backbone=None, aux_loss=pretrained or None
        )
        self.backbone = whole.backbone
        self.head = nn.Sequential(*list(whole.classifier)[:-1])

    def forward(self, pixels: Tensor) -> TrunkOutput:
        """[B, 3, H, W] → [B, 256, H/8, W/8]."""
        return TrunkOutput([self.head(self.backbone(pixels)["out"])])
