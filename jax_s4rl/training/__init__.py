"""How parameters change: losses, optimizer, the pmapped update, the loop."""
