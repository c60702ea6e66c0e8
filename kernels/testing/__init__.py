"""Cases and contracts of the ops, for tests and benchmarks."""
