"""The job's data and settings are those of the experiment, around S4D."""

from benchmarks import whole_job_worker
from experiments import cartpole
from jax_s4rl.collection import datasets


def test_the_job_is_one_of_the_experiment():
    assert whole_job_worker.DATASET in datasets.names()
    model = whole_job_worker.SETTINGS.model
    assert model.mixer.name == "s4d"
    assert model.context_length == cartpole.SETTINGS.model.context_length
    assert whole_job_worker.SETTINGS.num_updates == 400
