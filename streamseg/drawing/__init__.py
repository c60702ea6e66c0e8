"""Images of results and of what the network computes."""
