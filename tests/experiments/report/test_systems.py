"""Tasks about other systems fit their scripts and stay out of the claims about mixers."""

from experiments import trajectory_transformer
from experiments.report import systems


def test_points_are_data_and_variants_of_the_script():
    (task,) = systems.TASKS
    variants = {
        study.dataset: {"", *trajectory_transformer.VARIANTS.get(name, {})}
        for name, study in trajectory_transformer.STUDIES.items()
    }
    for point in task.points:
        (dataset,) = point.data
        assert point.variant in variants[dataset]
    assert {point.data[0] for point in task.points} == variants.keys()


def test_claims_on_all_environments_leave_them_out():
    assert not any(task.is_judged for task in systems.TASKS)
