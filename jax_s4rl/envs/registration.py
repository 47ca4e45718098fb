"""The names under which Gymnasium knows the environments of this project."""

import gymnasium

# Entry points are strings: a class cannot be written into a dataset's side file, and would be imported at once.
ENTRY_POINTS = {
    "jax_s4rl/KeyDoor-v0": "jax_s4rl.envs.key_door:KeyDoorEnv",
    "jax_s4rl/KeyToDoor-v0": "jax_s4rl.envs.key_door:KeyToDoorEnv",
    "jax_s4rl/MaskedCartPole-v0": "jax_s4rl.envs.masked_cartpole:MaskedCartPoleEnv",
    "jax_s4rl/RandomWalk-v0": "jax_s4rl.envs.random_walk:RandomWalkEnv",
    "jax_s4rl/Umbrella-v0": "jax_s4rl.envs.umbrella:UmbrellaEnv",
    "jax_s4rl/Bsuite-v0": "jax_s4rl.envs.bsuite_adapter:BsuiteEnv",
}
MAX_STEPS = {"jax_s4rl/MaskedCartPole-v0": 500}  # as CartPole-v1


def register_all() -> None:
    """Registers every environment of this project; a second call changes nothing.

    Where the clock belongs to the environment (`max_steps` is an argument) there is no `max_episode_steps` here: a
    second clock would silently cut what a caller made longer.

    Example:
        >>> register_all()
        >>> "jax_s4rl/Bsuite-v0" in gymnasium.registry
        True
    """
    for env_id, entry_point in ENTRY_POINTS.items():
        if env_id not in gymnasium.registry:
            gymnasium.register(id=env_id, entry_point=entry_point, max_episode_steps=MAX_STEPS.get(env_id))
