"""The network in torch: trunk, neck, heads, losses and weights (extra ``train``)."""
