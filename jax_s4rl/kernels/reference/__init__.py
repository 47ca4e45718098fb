"""Slow and obvious float64 NumPy twins of the kernels: what they are tested against."""
