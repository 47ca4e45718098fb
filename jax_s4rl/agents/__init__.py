"""Agents: training on a task and acting in its environment."""
