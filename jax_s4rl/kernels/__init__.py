"""State space and attention kernels as pure functions on arrays.

They need jax, numpy and jaxtyping, and no neural network framework.

Public modules (files that begin with an underscore are private parts of these):

| module | content |
| --- | --- |
| `s4d` | diagonal state space models, one system per feature |
| `s4` | diagonal plus low-rank state space models, one system per feature |
| `s5`, `lru` | one diagonal system for all features |
| `ssd`, `s6` | selective systems: the input chooses steps, inputs and outputs (Mamba-2, Mamba) |
| `short_convolution` | causal convolution over a few steps, which stands in front of these |
| `attention` | causal attention: `attend`, `chunk` and `step` |
| `trainable`, `selective_weights` | parameters in a form that any optimizer may change |
| `initialization`, `hippo` | initial values of parameters |
| `discretization` | from continuous time to steps |
| `vandermonde`, `cauchy` | impulse response of a diagonal and of a low-rank system |
| `convolution`, `recurrence` | algorithms that run a system over a sequence |
| `complex_pair` | complex numbers as pairs of real arrays |
| `reference` | slow float64 NumPy implementations, which the tests compare with |

Each of the families has the verbs `apply` (a whole sequence, or one chunk after another), `states`,
`prepare`, `step` and `init_state`; `s4d`, `s4` and `s5` have `apply_both_ways`. Those of `ssd` and
`s6` take four inputs; their docstrings describe what differs from the other four.

The layout of sequences is `[*batch, L, H]`. Functions are pure and work under jit, vmap, grad, jvp,
scan, remat, pmap and shard_map. They compute in float32, or in float64 if an argument is float64,
and return outputs in the dtype of the input.

Letters, as in the papers:

| letter | meaning |
| --- | --- |
| `A B C D` | system, input, output matrix, skip; `B` is never the batch in a signature |
| `A_bar B_bar` | the same, discretised |
| `Lambda P Q` | diagonal and low-rank factors of A |
| `V` | eigenvectors |
| `step`, `log_step` | sample spacing, in the time unit of Lambda |
| `u x y` | input, hidden state, output |
| `kernel` | impulse response `C A_bar^l B_bar`, l = 0 .. L-1 |
| `L H N Nh` | length, features, real state size, half of it (one of each conjugate pair) |
| `P` as a size | number of conjugate pairs (`s5`) or states (`lru`) that all features share |
| `T Q` | steps in a chunk, number of chunks |
| `resets` | True where an episode starts: the state is cleared before that input |

Arguments of `apply`, `states` and `apply_both_ways` with one meaning in `s4d`, `s4`, `s5`, `lru`;
the docstring of a function adds what is specific to its family:

    parameters: System. Computation is in float32, or in float64 if parameters or input are.
    u: Input, `[*batch, L, H]`, of any floating dtype.
    state: State before the first step, Pair `[*batch, H, Nh]` (`s4d`, `s4`) or `[*batch, P]`
        (`s5`, `lru`); zero if None.
    resets: Flags `[*batch, L]`, True where an episode starts: the state is cleared before that
        input. In `apply_both_ways` of `s5`, nothing passes from one episode to another in either
        direction.
    rate: Factor on the step: 2 runs a model on data sampled half as often.
    chunk: Length of the longest chunk of method `"chunked"`.
    precision: Precision of matrix products with inputs, states and outputs, as in
        `jax.lax.Precision`: `"default"`, `"high"` or `"highest"`. On CPU all three are the same.
    mask: Flags `[*batch, L]`, False at padding. Input at padding enters as zero, whatever its
        value. Time goes on there: the state decays and turns as usual.
    intervals: Factor on the step of each sample, `[*batch, L]`, if the time between samples
        varies; 1 for a sample at its regular time, and at padding whatever is given there.
    forward: System over the past and the present, with its D.
    backward: System over the future, from the next step on; its D is not used.

`apply` and `apply_both_ways` return the output in the shape and dtype of `u`; `apply` also returns
the state after the last step, in the layout of `state`. Pass it to the next call to continue where
this one ended. `apply_both_ways` takes whole rows only, as no state can be carried over from either
end.

All raise ValueError for an unknown method, discretization or precision, shapes that do not match,
flags that are not bool, an input that is not floating, L or chunk < 1, a Python number as rate that
is not positive, a negative interval, or a Lambda with a positive real part. Values of arrays are
checked only if they are known, which means not traced by JAX.

Non-finite numbers: with `resets`, a NaN or infinity in an input or in the start state makes the
outputs NaN up to the next reset: the outputs of its own feature in `s4d` and `s4`, those of all
features in the other families. It reaches neither later outputs nor the gradient of a loss on them.
Without `resets`, it spoils its row (in `s5` and `lru` the rest of it) and the gradients of all
parameters; keep padding that may hold one out by `mask`.
"""

from typing import TYPE_CHECKING

from jax_s4rl import _lazy
from jax_s4rl.kernels import _serialization as _serialization

if TYPE_CHECKING:
    from jax_s4rl.kernels import attention as attention
    from jax_s4rl.kernels import cauchy as cauchy
    from jax_s4rl.kernels import complex_pair as complex_pair
    from jax_s4rl.kernels import convolution as convolution
    from jax_s4rl.kernels import discretization as discretization
    from jax_s4rl.kernels import hippo as hippo
    from jax_s4rl.kernels import initialization as initialization
    from jax_s4rl.kernels import lru as lru
    from jax_s4rl.kernels import recurrence as recurrence
    from jax_s4rl.kernels import reference as reference
    from jax_s4rl.kernels import s4 as s4
    from jax_s4rl.kernels import s4d as s4d
    from jax_s4rl.kernels import s5 as s5
    from jax_s4rl.kernels import s6 as s6
    from jax_s4rl.kernels import selective_weights as selective_weights
    from jax_s4rl.kernels import short_convolution as short_convolution
    from jax_s4rl.kernels import ssd as ssd
    from jax_s4rl.kernels import trainable as trainable
    from jax_s4rl.kernels import vandermonde as vandermonde

__getattr__, __dir__ = _lazy.attach(__name__)
