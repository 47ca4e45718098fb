"""The PyTorch models are what they are said to be: causal, equal to each other and to our S4D."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from jax_s4rl.kernels import complex_pair as cplx
from jax_s4rl.kernels import s4d

torch = pytest.importorskip("torch")
peer_models = pytest.importorskip("benchmarks.peer_models")

pytestmark = pytest.mark.slow

SIZE = peer_models.Size(5, 3, context_length=7, width=8, num_layers=2)
NAMES = tuple(peer_models.MAKERS)


def make(name: str, **changes):
    if name.startswith("transformers"):
        pytest.importorskip("transformers")
    torch.manual_seed(0)
    return peer_models.MAKERS[name](SIZE._replace(**changes)).eval()


def draw(length: int = 7, batch: int = 2):
    torch.manual_seed(1)
    return {
        "returns_to_go": torch.randn(batch, length),
        "observations": torch.randn(batch, length, 5),
        "actions": torch.randint(0, 3, (batch, length)),
        "time_steps": torch.arange(length).expand(batch, length).contiguous(),
    }


def test_the_two_gpt_forms_are_the_same_function():
    published, minimal = make("mingpt"), make("minimal")
    minimal.load_state_dict(published.state_dict())
    with torch.no_grad():
        one, other = published(draw()), minimal(draw())
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    assert one.shape == (2, 7, 3)
    assert one.std() > 1e-3


def test_the_two_attentions_of_the_library_are_the_same_function():
    sdpa, eager = make("transformers/sdpa"), make("transformers/eager")
    eager.load_state_dict(sdpa.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(sdpa(draw()), eager(draw()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_later_inputs_change_no_earlier_output(name):
    model, inputs = make(name), draw()
    with torch.no_grad():
        before = model(inputs)
        for entry, values in inputs.items():
            if entry == "time_steps":
                continue
            changed = values.clone()
            changed[:, 4] = (values[:, 4] + 1) % 3
            moved = (model(inputs | {entry: changed}) - before).abs().amax(dim=(0, 2))
            # A prediction may depend on what precedes the action of its own step, not on it.
            first = 5 if entry == "actions" else 4
            assert moved[:first].max() < 1e-6, entry
            assert moved[first:].max() > 1e-6, entry


@pytest.mark.parametrize("name", ["mingpt", "minimal"])
def test_acting_from_a_cache_is_the_window(name):
    model, inputs = make(name), draw()
    caches, acted = model.init_cache(2), []
    with torch.no_grad():
        for step in range(7):
            now = {entry: values[:, step : step + 1] for entry, values in inputs.items()}
            now["actions"] = inputs["actions"][:, max(step - 1, 0)].unsqueeze(1)
            acted.append(model.act(now, caches, step))
        wanted = model(inputs)
    torch.testing.assert_close(torch.stack(acted, dim=1), wanted, rtol=1e-5, atol=1e-6)


def test_the_kernel_is_that_of_our_s4d():
    torch.manual_seed(0)
    layer = peer_models.S4D(SIZE)
    u = torch.randn(3, SIZE.width, 50)
    with torch.no_grad():
        found = layer.convolve(u).transpose(1, 2).numpy()
        decay, step = layer.log_decay.exp(), layer.log_step.exp()
        Lambda = torch.complex(-decay, layer.frequency).numpy()
        C = torch.view_as_complex(layer.readout).numpy()
    parameters = s4d.Parameters(
        cplx.as_pair(jnp.asarray(Lambda)),
        cplx.as_pair(jnp.ones_like(Lambda)),
        cplx.as_pair(jnp.asarray(C)),
        D=jnp.asarray(layer.skip.detach().numpy()),
        step=jnp.asarray(step.numpy()),
    )
    wanted, _ = s4d.apply(parameters, u.transpose(1, 2).numpy(), method="fft")
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    assert np.abs(wanted).max() > 0.5


@pytest.mark.parametrize("name", NAMES)
def test_dropout_acts_in_training_alone(name):
    model, inputs = make(name, dropout=0.5), draw()
    with torch.no_grad():
        assert torch.equal(model(inputs), model(inputs))
        assert not torch.equal(model.train()(inputs), model(inputs))


def test_weights_are_dropped_where_that_is_said():
    for name, model in ((name, make(name, dropout=0.5)) for name in ("mingpt", "minimal")):
        mixer, x = model.blocks[0].mixer.train(), torch.randn(2, 21, SIZE.width)
        with torch.no_grad():
            is_dropped = not torch.equal(mixer(x), mixer(x))
        assert is_dropped == (name in peer_models.DROP_WEIGHTS)


def test_parameters_are_counted():
    attention = [peer_models.num_parameters(make(name)) for name in ("mingpt", "minimal")]
    assert attention[0] == attention[1]
    for one, other in itertools.combinations((8, 16, 32), 2):
        counts = [peer_models.num_parameters(make("torch-s4d", width=w)) for w in (one, other)]
        assert counts[0] < counts[1]
    assert peer_models.num_parameters(torch.nn.Linear(4, 3)) == 15
