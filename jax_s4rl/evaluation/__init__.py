"""Acting in environments and judging what happened."""
