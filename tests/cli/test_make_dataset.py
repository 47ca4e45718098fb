import pytest

from jax_s4rl.cli import make_dataset
from jax_s4rl.collection import catalog, datasets, sources


@pytest.fixture(autouse=True)
def small_recipes(monkeypatch):
    recipes = {"cartpole/tiny": catalog.Recipe("CartPole-v1", (sources.Uniform(4),))}
    monkeypatch.setattr(catalog, "all_recipes", lambda: recipes)


def test_one_command_makes_data_and_says_where_they_are(tmp_path, capsys):
    make_dataset.make(make_dataset.Config(names=("cartpole/tiny",), seeds=(0, 1), folder=tmp_path))
    out = capsys.readouterr().out.replace("\n", "")
    for seed in (0, 1):
        assert datasets.path_of("cartpole/tiny", seed, tmp_path).exists()
        assert f"tiny-seed{seed}.json" in out


def test_names_are_listed(capsys):
    make_dataset.make(make_dataset.Config(list_names=True))
    assert capsys.readouterr().out.strip() == "cartpole/tiny"


def test_a_wrong_name_stops_before_anything_is_made(tmp_path):
    with pytest.raises(ValueError, match="did you mean"):
        make_dataset.make(
            make_dataset.Config(names=("cartpole/tiny", "cartpole/tinny"), folder=tmp_path)
        )
    assert not list(tmp_path.iterdir())
