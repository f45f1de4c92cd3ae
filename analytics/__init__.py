"""What the plant's numbers mean: pure functions and numba kernels; no clock, no I/O, no async."""
