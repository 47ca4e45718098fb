"""Properties of the LRU layer alone; test_mixers.py tests the methods that all mixers share."""

import jax
import numpy as np

from jax_s4rl.kernels import lru as kernel
from jax_s4rl.modules import groups, lru


def test_the_eigenvalues_start_on_their_ring_with_gains_that_keep_the_variance():
    layer = lru.LRU(width=3, state_size=64, ring=(0.9, 0.99), largest_angle=0.5)
    p = layer.bind(
        groups.strip(layer.init(jax.random.key(0), 1, 1, method="init_state"))
    )._parameters(3)
    modulus = np.exp(p.Lambda.re)
    assert modulus.min() >= 0.9
    assert modulus.max() <= 0.99
    assert float(p.Lambda.im.min()) > 0
    assert float(p.Lambda.im.max()) <= 0.5
    np.testing.assert_allclose(p.gain, kernel.normalizer(p.Lambda), rtol=1e-4)
