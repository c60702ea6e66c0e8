"""Everything that measures; each is started with ``python -m benchmarks.NAME``."""
