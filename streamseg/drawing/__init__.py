"""Draw results and outputs of the network as images."""
