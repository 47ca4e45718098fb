"""Key and door: take a key early, get the reward late."""
