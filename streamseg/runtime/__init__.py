"""Ways to run a network. Each is one file; ``base.Runtime`` is what they have in common."""
