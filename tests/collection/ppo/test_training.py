import gymnasium
import jax
import numpy as np
import pytest

from jax_s4rl.collection import catalog, recording, seeding
from jax_s4rl.collection.ppo import environments, policy
from jax_s4rl.collection.ppo import training as ppo_training
from jax_s4rl.data import trajectories
from tests.collection import worlds
from tests.data import records


@pytest.fixture(scope="module")
def training():
    return ppo_training.train(
        worlds.Corridor, worlds.CONFIG, seed=3, strengths=(2.0, 2.5), replay_steps=240
    )


def test_a_bandit_is_learned_and_strengths_are_kept_on_the_way(training):
    weak, medium, best = training.snapshots
    assert weak.num_steps <= medium.num_steps <= best.num_steps
    assert 1.7 <= weak.mean_return <= medium.mean_return <= best.mean_return
    # Episodes have 3 or 4 steps, each worth 1 to whoever presses 1, so the best is 3.3.
    assert best.mean_return > 3.2
    assert training.history[0][1] < 2.2


def test_of_before_and_after_a_strength_the_nearer_policy_is_kept(monkeypatch):
    strengths_seen = iter([1.0, 1.9, 3.0, 3.0, 3.0, 3.0])

    def measure(self, snapshot):
        return snapshot._replace(mean_return=next(strengths_seen, 3.0))

    monkeypatch.setattr(ppo_training._Trainer, "_measure", measure)
    snapshots = ppo_training.train(
        worlds.Corridor, worlds.CONFIG, seed=3, strengths=(2.0, 2.6)
    ).snapshots
    assert [snapshot.mean_return for snapshot in snapshots] == [1.9, 3.0, 3.0]


def test_early_episodes_can_be_played_again(training):
    record = trajectories.from_episodes(training.replay)
    records.assert_same(recording.reenact(worlds.Corridor, record), record)
    assert list(training.replay_ends) == sorted(training.replay_ends)
    assert training.replay_ends[-1] <= 240
    assert len(set(record.episode_seeds.tolist())) == record.num_episodes
    first = next(seeding.episode_seeds(3, ppo_training.TRAINING_STREAM))
    assert set(range(first, first + 8)) <= set(record.episode_seeds.tolist())


def test_the_same_seed_gives_the_same_policy(training):
    again = ppo_training.train(worlds.Corridor, worlds.CONFIG, seed=3, strengths=(2.0, 2.5))
    jax.tree.map(np.testing.assert_array_equal, training.snapshots, again.snapshots)
    assert training.history == again.history
    assert again.replay == ()


@pytest.mark.parametrize("world", [worlds.Corridor, worlds.Slope])
def test_what_follows_is_never_a_reset(world):
    envs = environments.Environments(world, 4, seed=0, streams=(ppo_training.TRAINING_STREAM,))
    trainer = ppo_training._Trainer(envs, world, worlds.CONFIG, 0, 0)
    rollout = trainer._play(trainer.moments.normalizer(False), jax.random.key(0))
    after = np.asarray(rollout.next_observations)
    np.testing.assert_array_equal(after[..., 1], rollout.observations[..., 1] + 1)
    np.testing.assert_array_equal(after[..., 0], rollout.observations[..., 0])
    np.testing.assert_array_equal(rollout.terminations, after[..., 1] >= 3 + after[..., 0])
    np.testing.assert_array_equal(rollout.truncations, (after[..., 0] == 2) & (after[..., 1] >= 4))
    ended = rollout.terminations | rollout.truncations
    np.testing.assert_array_equal(rollout.observations[1:, :, 1] == 0, ended[:-1])


def test_nothing_is_printed_without_a_terminal(capfd):
    ppo_training.train(worlds.Corridor, worlds.CONFIG, seed=0)
    assert "".join(capfd.readouterr()).strip() == ""


@pytest.mark.slow
def test_cartpole_is_solved_within_its_budget():
    recipe = catalog.all_recipes()["cartpole/expert"]
    run = recipe.parts[0].run
    assert run.config.total_steps <= 200_000
    training = ppo_training.train(
        lambda: gymnasium.make("CartPole-v1"), run.config, seed=1, strengths=(100, 170, 475)
    )
    measured = [snapshot.mean_return for snapshot in training.snapshots]
    # One update can take the policy from 75 to 150, so the nearest snapshot may differ by a few
    # dozen.
    assert 40 < measured[0] < 180
    assert 100 < measured[1] < 260
    assert measured[3] >= 475
    env = gymnasium.make("CartPole-v1")
    act = policy.behavior(training.network, training.snapshots[-1], env)
    record = recording.record_episodes(lambda: gymnasium.make("CartPole-v1"), act, 20, seed=0)
    assert record.episode_returns.mean() >= 475


def test_a_training_in_which_no_episode_ends_is_refused(monkeypatch):
    def step(self, action):
        self.clock += 1
        return self._look(), 0.0, False, False, {}

    monkeypatch.setattr(worlds.Corridor, "step", step)
    with pytest.raises(ValueError, match="no episode ended within 240 steps of each environment"):
        ppo_training.train(worlds.Corridor, worlds.CONFIG, seed=3)
