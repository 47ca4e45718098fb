"""Proximal policy optimization, which records datasets of trained policies."""
