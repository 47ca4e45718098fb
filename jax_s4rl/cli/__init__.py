"""Commands; each also runs by `python -m jax_s4rl.cli.NAME`."""
