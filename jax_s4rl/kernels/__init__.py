"""State space and attention kernels as pure functions on arrays: needs jax, numpy and jaxtyping, no framework.

Families, each a module with the same verbs `apply` (whole sequence, or chunk after chunk), `prepare`, `step`,
`init_state`: `s4d` (diagonal), `s4` (diagonal plus low rank), `s5` and `lru` (one system for all features).
`attention` has `attend`, `chunk` and `step`.

`trainable` has their parameters in a form that any optimizer may change.

What they are made from: `initialization` and `hippo` (where parameters start), `discretization` and `dplr` (from
continuous time to steps), `vandermonde`, `cauchy` and `krylov` (the kernel of a diagonal, a low-rank, a dense
system), `convolution`, `recurrence`, `chunks`, `siso`, `mimo`, `blockwise` and `flash` (how a sequence is run),
`trigonometry`, `pairs` and `checks` (angles, complex numbers, bad input), `linear_maps`, `sharding`, `nonfinite` and
`serialization` (derivatives, devices, NaN, `jax.export`). `reference` holds slow float64 NumPy twins to test against.

Layout is `(*batch, L, H)`; functions are pure and work under jit, vmap, grad, jvp, scan, remat, pmap and shard_map.
They compute in float32 (float64 where an argument is), whatever comes in, and give back the dtype of their input.

Letters, as in the papers:

| letter | is |
| --- | --- |
| `A B C D` | system, input, output matrix, skip; `B` is never the batch in a signature |
| `A_bar B_bar` | the same, discretised |
| `Lambda P Q` | diagonal and low-rank factors of A |
| `V` | eigenvectors |
| `step`, `log_step` | sample spacing, in the time unit of Lambda |
| `u x y` | input, hidden state, output |
| `kernel` | impulse response `C A_bar^l B_bar`, l = 0 .. L-1 |
| `L H N Nh` | length, features, real state size, half of it (one of each conjugate pair) |
| `P` as a size | number of conjugate pairs of a system shared by all features (`s5`, `lru`) |
| `T Q` | steps in a chunk, number of chunks |
| `resets` | True where an episode starts: the state is cleared before that input |
"""

from jax_s4rl.kernels import _serialization as _serialization
