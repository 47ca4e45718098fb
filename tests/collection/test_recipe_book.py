import json

import numpy as np
import pytest

from jax_s4rl.collection import parts, recipe_book, recipes
from jax_s4rl.envs import making


def test_every_recipe_names_an_environment_that_there_is_and_describes_itself():
    for name, recipe in recipe_book.book().items():
        making.resolve(recipe.env_id, dict(recipe.env_kwargs))
        described = recipes.describe(recipe)
        assert json.loads(json.dumps(described)) == described, name
        assert set(recipe.reference_scores) == {"random", "optimal"}, name
        assert recipe.reference_scores["random"] < recipe.reference_scores["optimal"], name
        assert len(recipe.parts) <= 14, name


@pytest.mark.parametrize("setting", [0, 9])
def test_obeying_the_forecast_is_always_right(setting, tmp_path):
    recipe = recipe_book.book()[f"umbrella_length/{setting}/mixed"]
    obey = recipe.parts[1]
    assert isinstance(obey, parts.Scripted)
    stage = parts.Stage(recipe.env_id, {}, 0, 1, tmp_path)
    env = stage.make_env()
    record = stage.record(obey.make(env), 50, "obey", {})
    last = record.rewards[record.episode_starts + record.episode_lengths - 1]
    np.testing.assert_array_equal(last, 1)
