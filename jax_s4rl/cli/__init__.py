"""Commands, run by `python -m jax_s4rl.cli.NAME`."""
