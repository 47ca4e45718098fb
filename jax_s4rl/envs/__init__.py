"""Gymnasium environments and the bsuite adapter."""
