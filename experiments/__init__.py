"""Scripts that train, act and report; each reads from top to bottom."""
