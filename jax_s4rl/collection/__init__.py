"""Behaviours that record data: random, scripted, PPO; and the named dataset recipes."""
