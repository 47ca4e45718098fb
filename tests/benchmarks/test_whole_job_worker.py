"""The job's data and settings are those of the experiment, around S4D."""

from benchmarks import whole_job_worker
from experiments import cartpole, protocol
from jax_s4rl.collection import datasets


def test_the_job_is_one_of_the_experiment():
    assert whole_job_worker.DATASET in datasets.names()
    own = protocol.override(whole_job_worker.SETTINGS, num_updates=cartpole.UPDATES)
    assert own == protocol.override(cartpole.SETTINGS, mixer=protocol.mixer_config("s4d"))
