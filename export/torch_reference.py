"""What an export is compared with: the network itself."""

from __future__ import annotations

from copy import deepcopy

from streamseg.model.network import Network
from streamseg.runtime.torch_cpu import TorchRuntime


class TorchReference(TorchRuntime):
    """A network in torch at float32, as it was when this was made."""

    def __init__(self, network: Network) -> None:
        """Take a copy of the network, in evaluation mode."""
        super().__init__(deepcopy(network).eval())
