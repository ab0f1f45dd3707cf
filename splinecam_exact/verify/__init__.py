"""What makes the fast engine's results exact: rigorous bounds, checks of every claim, and repair by the kernel.

proofs/fast.md has the theorems; every function here names the step that it checks.
"""
