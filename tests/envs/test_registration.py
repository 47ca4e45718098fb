import subprocess
import sys

import gymnasium
import pytest

from jax_s4rl.envs import registration


def test_a_second_registration_changes_nothing():
    before = dict(gymnasium.registry)
    registration.register_all()
    assert dict(gymnasium.registry) == before


@pytest.mark.parametrize("env_id", registration.ENTRY_POINTS)
def test_every_id_is_made_and_its_spec_can_be_written_down(env_id):
    env = gymnasium.make(env_id)
    assert isinstance(env.spec.entry_point, str), "Minari cannot store a class"
    assert gymnasium.make(gymnasium.envs.registration.EnvSpec.from_json(env.spec.to_json())).spec.id == env_id
    env.close()


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)


def test_the_module_form_registers_by_itself():
    result = run("import gymnasium; gymnasium.make('jax_s4rl.envs:jax_s4rl/Bsuite-v0', bsuite_id='umbrella_length/3')")
    assert result.returncode == 0, result.stderr


def test_importing_the_package_stays_light():
    heavy = ("bsuite", "pandas", "minigrid", "pygame", "matplotlib", "jax")
    result = run(f"import sys, jax_s4rl.envs; sys.exit(str([m for m in {heavy} if m in sys.modules] or ''))")
    assert not result.stderr.strip(), f"imported as well: {result.stderr}"
