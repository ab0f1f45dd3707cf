"""Scripts that measure; `python -m benchmarks` runs them. Nothing here is asserted."""
