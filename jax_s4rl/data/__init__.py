"""What was recorded: trajectories, returns-to-go, windows, file formats."""
