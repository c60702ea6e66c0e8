"""Backends that run a network, one file each; ``base.Runtime`` is their protocol."""
