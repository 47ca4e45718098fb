"""Kind: spaces that have no array, and advice that works when it is followed.

Public reports: HighwayEnv#412, Minigrid#78, Minari#131.
"""

import gymnasium
import minigrid.wrappers
import numpy as np
import pytest

from jax_s4rl.envs import registry
from tests.cases import worlds


def grid():
    return registry.make("MiniGrid-Empty-5x5-v0", disable_env_checker=True, max_steps=6)


@pytest.mark.parametrize(
    ("name", "shape"), [("ImgObsWrapper", (7, 7, 3)), ("FlatObsWrapper", (2835,))]
)
def test_minigrid_works_with_each_wrapper_that_the_advice_names(name, shape):
    with pytest.raises(ValueError, match=rf"minigrid\.wrappers\.{name}"):
        worlds.act(grid)
    wrapper = getattr(minigrid.wrappers, name)
    record, seen = worlds.act(lambda: wrapper(grid()))
    assert seen.shape[2:] == record.observations.shape[1:] == shape


@pytest.mark.parametrize(
    "env_id", ["MiniGrid-DoorKey-5x5-v0", "MiniGrid-MemoryS7-v0", "BabyAI-GoToRedBallGrey-v0"]
)
def test_other_grids_get_the_same_advice(env_id):
    with pytest.raises(ValueError, match=r"minigrid\.wrappers\.ImgObsWrapper"):
        worlds.act(lambda: registry.make(env_id, disable_env_checker=True))


class Parts(worlds.World):
    """Observations in parts, of which one has no fixed number of numbers."""

    observation_space = gymnasium.spaces.Dict(
        path=gymnasium.spaces.Sequence(worlds.Box(0, 1, (2,))),
        at=worlds.Box(-np.inf, np.inf, (2,)),
        gear=gymnasium.spaces.Discrete(3),
    )

    def look(self):
        return {"path": (), "at": np.full(2, self.clock), "gear": self.clock % 3}


def test_a_dictionary_works_with_the_wrapper_and_the_names_of_the_advice():
    with pytest.raises(ValueError, match=r"FilterObservation\(env, \['at', 'gear'\]\)"):
        worlds.act(Parts)
    _, seen = worlds.act(
        lambda: gymnasium.wrappers.FilterObservation(Parts(), ["at", "gear"]), count=1
    )
    assert seen[0, :2].tolist() == [[0, 0, 1, 0, 0], [1, 1, 0, 1, 0]]


def test_a_graph_works_with_the_wrapper_of_the_advice():
    class Graph(worlds.World):
        observation_space = gymnasium.spaces.Graph(worlds.Box(0, 9, (1,)), None)

        def look(self):
            return gymnasium.spaces.GraphInstance(np.full((3, 1), self.clock), None, None)

    with pytest.raises(ValueError, match="TransformObservation"):
        worlds.act(Graph)

    def make():
        return gymnasium.wrappers.TransformObservation(
            Graph(), lambda graph: graph.nodes.sum(axis=0), worlds.Box(0, 99, (1,))
        )

    assert worlds.act(make, count=1)[1][0, :3, 0].tolist() == [0, 3, 6]


def test_mixed_actions_work_with_the_wrapper_of_the_advice():
    class Mixed(worlds.World):
        action_space = gymnasium.spaces.Dict(
            move=worlds.Box(-1, 1, (2,)), gear=gymnasium.spaces.Discrete(2)
        )

    with pytest.raises(ValueError, match="TransformAction"):
        worlds.act(Mixed)

    def make():
        return gymnasium.wrappers.TransformAction(
            Mixed(),
            lambda vector: {"move": vector[:2], "gear": int(vector[2] > 0)},
            worlds.Box(-1, 1, (3,)),
        )

    assert worlds.act(make, action=(0.5, -0.5, 1.0))[0].actions[0].tolist() == [0.5, -0.5, 1]
