"""Flax (Linen) layers: weights around the kernels; every sequence mixer has the same verbs."""
