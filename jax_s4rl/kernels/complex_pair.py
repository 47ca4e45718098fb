"""Complex numbers as pairs of real arrays: every kernel computes with real arithmetic only.

TPU and Metal have no complex128 or no complex numbers at all, Pallas has none, and optimizers
mishandle complex leaves (JAX returns conjugate gradients). A `Pair` is a pytree of two real arrays,
which avoids these problems.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

# A dimension is an integer, or a symbol while `jax.export` saves a program for any batch.
Shape = tuple[Any, ...]


class Pair(dict):
    """Complex array `re + 1j * im`, kept as two real arrays of one shape and dtype.

    It is a pytree of these two and unpacks like a tuple, `re, im = pair`. It is also a dictionary,
    because in Flax NNX a parameter may be an array or a dictionary of arrays, but not a tuple or a
    class of them. The parts of an `nnx.Param` come back as a mapping, which every function that
    takes a complex array accepts.

    Attributes:
        re: Real part, any shape.
        im: Imaginary part, the same shape.

    Example:
        >>> pair = Pair(jnp.ones(1), -jnp.ones(1))
        >>> re, im = pair
        >>> re is pair.re, len(jax.tree.leaves(pair))
        (True, 2)
    """

    __slots__ = ()

    def __init__(self, re: Any, im: Any):
        super().__init__(re=re, im=im)

    @property
    def re(self) -> Any:
        """Real part."""
        return dict.__getitem__(self, "re")

    @property
    def im(self) -> Any:
        """Imaginary part."""
        return dict.__getitem__(self, "im")

    @property
    def shape(self) -> Shape:
        """Shape of the complex array."""
        return self.re.shape

    @property
    def ndim(self) -> int:
        """Number of axes of the complex array."""
        return self.re.ndim

    @property
    def dtype(self):
        """Dtype of each part."""
        return self.re.dtype

    def __iter__(self) -> Iterator[Any]:
        # Unlike in a dictionary, these are the values, so that `re, im = pair` unpacks them.
        return iter((self.re, self.im))

    def __getitem__(self, key: int | str) -> Any:
        return (self.re, self.im)[key] if isinstance(key, int) else dict.__getitem__(self, key)

    def __repr__(self) -> str:
        return f"Pair(re={self.re!r}, im={self.im!r})"

    def __reduce__(self):
        return Pair, (self.re, self.im)

    def _replace(self, **parts: Any) -> "Pair":
        return Pair(**{"re": self.re, "im": self.im} | parts)


# JAX takes a subclass of `dict` for a leaf, so the class is registered as a pytree of its own.
jax.tree_util.register_dataclass(Pair, data_fields=["re", "im"], meta_fields=[])


Complexlike = Pair | Mapping | Complex[Array | np.ndarray, "..."] | Float[Array | np.ndarray, "..."]


Named = TypeVar("Named", bound=Any)


def as_pair(x: Complexlike) -> Pair:
    """Converts a `Pair`, a mapping of its parts, or a complex or real array to a `Pair`.

    A real array has an imaginary part of 0.

    Raises:
        ValueError: If a mapping has other keys or parts of different shapes, or an array is neither
            floating nor complex.

    Example:
        >>> as_pair(jnp.array([1 + 2j]))
        Pair(re=Array([1.], dtype=float32), im=Array([2.], dtype=float32))
    """
    if isinstance(x, Mapping):
        # `keys()` is needed, because a Pair iterates over its parts and not over its keys.
        if set(x.keys()) != {"re", "im"}:
            raise ValueError(
                f"a complex array in parts has 're' and 'im', got {sorted(x.keys())}; name them so"
            )
        re, im = jnp.asarray(x["re"]), jnp.asarray(x["im"])
        if re.shape != im.shape:
            raise ValueError(
                f"a Pair needs two parts of one shape, got {re.shape} and {im.shape}; broadcast one"
            )
        return Pair(re, im)
    x = jnp.asarray(x)
    if jnp.iscomplexobj(x):
        return Pair(x.real, x.imag)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(
            f"expected a floating or complex array, got dtype {x.dtype}; cast it first"
        )
    return Pair(x, jnp.zeros_like(x))


def in_fields(values: Named, *names: str) -> Named:
    """Converts the named fields of a NamedTuple to Pairs; they may hold complex arrays.

    Raises:
        ValueError: As in `as_pair`.

    Example:
        >>> both = Pair(jnp.ones(1), jnp.asarray([1j]))
        >>> in_fields(both, "im").im.im
        Array([1.], dtype=float32)
    """
    return values._replace(**{name: as_pair(getattr(values, name)) for name in names})


def to_complex(x: Complexlike) -> Complex[Array, "..."]:
    """Joins the two parts into one complex array, for Fourier transforms and for inspection.

    Example:
        >>> complex(to_complex(Pair(jnp.ones(()), -jnp.ones(()))))
        (1-1j)
    """
    x = as_pair(x)
    # `re + 1j * im` multiplies `im` by zero too, which makes a NaN of an infinite part.
    return jax.lax.complex(x.re, x.im)


def astype(x: Complexlike, dtype: jax.typing.DTypeLike) -> Pair:
    """Casts both parts to a real `dtype`.

    Example:
        >>> astype(zeros((2,)), jnp.bfloat16).dtype
        dtype(bfloat16)
    """
    x = as_pair(x)
    return Pair(x.re.astype(dtype), x.im.astype(dtype))


def zeros(shape: Shape, dtype: jax.typing.DTypeLike = jnp.float32) -> Pair:
    """Returns complex zeros.

    Example:
        >>> zeros((2, 3)).shape
        (2, 3)
    """
    return Pair(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))


def conjugate(x: Complexlike) -> Pair:
    """Returns the complex conjugate.

    Example:
        >>> to_complex(conjugate(jnp.asarray([1 + 2j])))
        Array([1.-2.j], dtype=complex64)
    """
    x = as_pair(x)
    return Pair(x.re, -x.im)


def add(x: Complexlike, y: Complexlike) -> Pair:
    """Returns the sum `x + y`.

    Example:
        >>> to_complex(add(jnp.asarray([1 + 2j]), jnp.asarray([1 + 2j])))
        Array([2.+4.j], dtype=complex64)
    """
    x, y = as_pair(x), as_pair(y)
    return Pair(x.re + y.re, x.im + y.im)


def subtract(x: Complexlike, y: Complexlike) -> Pair:
    """Returns the difference `x - y`.

    Example:
        >>> to_complex(subtract(jnp.asarray([1 + 2j]), jnp.asarray([1 + 2j])))
        Array([0.+0.j], dtype=complex64)
    """
    x, y = as_pair(x), as_pair(y)
    return Pair(x.re - y.re, x.im - y.im)


def scale(x: Complexlike, factor: Float[Array, "..."] | float) -> Pair:
    """Returns the product of a complex array and a real one.

    Example:
        >>> to_complex(scale(jnp.asarray([1 + 2j]), 2.0))
        Array([2.+4.j], dtype=complex64)
    """
    x = as_pair(x)
    return Pair(x.re * factor, x.im * factor)


def multiply(x: Complexlike, y: Complexlike) -> Pair:
    """Returns the product `x * y`.

    Example:
        >>> complex(to_complex(multiply(jnp.asarray(1 + 2j), jnp.asarray(3 - 1j))))
        (5+5j)
    """
    x, y = as_pair(x), as_pair(y)
    return Pair(x.re * y.re - x.im * y.im, x.re * y.im + x.im * y.re)


def squared_modulus(x: Complexlike) -> Float[Array, "..."]:
    """Returns the squared modulus `|x|^2`.

    Example:
        >>> squared_modulus(jnp.asarray([1 + 2j]))
        Array([5.], dtype=float32)
    """
    x = as_pair(x)
    return x.re * x.re + x.im * x.im


def reciprocal(x: Complexlike) -> Pair:
    """Returns the inverse `1 / x`; infinite or NaN at zero.

    Example:
        >>> to_complex(reciprocal(jnp.asarray([2j])))
        Array([0.-0.5j], dtype=complex64)
    """
    x = as_pair(x)
    size = squared_modulus(x)
    return Pair(x.re / size, -x.im / size)


def divide(x: Complexlike, y: Complexlike) -> Pair:
    """Returns the quotient `x / y`; infinite or NaN where `y` is zero.

    Example:
        >>> to_complex(divide(jnp.asarray([1 + 2j]), jnp.asarray([1 + 2j])))
        Array([1.+0.j], dtype=complex64)
    """
    x, y = as_pair(x), as_pair(y)
    modulus = squared_modulus(y)
    # The division comes last: XLA counts it as expensive, so it does not compute the operations
    # before it again in every loop that is fused with it.
    return Pair((x.re * y.re + x.im * y.im) / modulus, (x.im * y.re - x.re * y.im) / modulus)


def exp(x: Complexlike) -> Pair:
    """Returns the exponential `e^x`.

    Example:
        >>> complex(to_complex(exp(jnp.asarray(0j))))
        (1+0j)
    """
    x = as_pair(x)
    size = jnp.exp(x.re)
    return Pair(size * jnp.cos(x.im), size * jnp.sin(x.im))


def expm1(x: Complexlike) -> Pair:
    """Returns the exponential minus one, `e^x - 1`, without cancellation near zero.

    With `x = a + ib`: `[expm1(a) cos b - 2 sin^2(b/2)] + i e^a sin b`.

    Example:
        >>> expm1(jnp.asarray([1e-8])).re
        Array([1.e-08], dtype=float32)
    """
    x = as_pair(x)
    # `cos b - 1` would cancel near zero; `-2 sin^2(b/2)` is the same without a difference.
    half = jnp.sin(x.im / 2)
    return Pair(jnp.expm1(x.re) * jnp.cos(x.im) - 2 * half * half, jnp.exp(x.re) * jnp.sin(x.im))


def where(condition: Array, x: Complexlike, y: Complexlike) -> Pair:
    """Chooses elementwise: `x` where `condition` is True, else `y`.

    The part that is not chosen may be NaN.

    Example:
        >>> where(jnp.array([False]), jnp.array([jnp.nan]), jnp.array([1.0])).re
        Array([1.], dtype=float32)
    """
    x, y = as_pair(x), as_pair(y)
    # NaN is harmless in the value only: the derivative of the part that is not chosen is multiplied
    # by zero, and zero times NaN is NaN.
    return Pair(jnp.where(condition, x.re, y.re), jnp.where(condition, x.im, y.im))


def with_ndim(x: Complexlike, ndim: int) -> Pair:
    """Adds axes of size one in front until there are `ndim`.

    JAX can be set to refuse the implicit addition of axes.

    Example:
        >>> with_ndim(zeros((4,)), 3).shape
        (1, 1, 4)
    """
    x = as_pair(x)
    shape = (1,) * (ndim - x.ndim) + tuple(x.shape)
    return Pair(x.re.reshape(shape), x.im.reshape(shape))


def stack_parts(x: Complexlike) -> Float[Array, "..."]:
    """Returns the real view of a complex vector: `[re, im]` along the last axis, twice as long.

    Example:
        >>> stack_parts(jnp.asarray([1 + 2j]))
        Array([1., 2.], dtype=float32)
    """
    x = as_pair(x)
    return jnp.concatenate([x.re, x.im], axis=-1)


def split_parts(x: Float[Array, "..."]) -> Pair:
    """Splits a real array in two along the last axis; the inverse of `stack_parts`.

    Example:
        >>> split_parts(jnp.asarray([1.0, 2.0]))
        Pair(re=Array([1.], dtype=float32), im=Array([2.], dtype=float32))
    """
    return Pair(*jnp.split(x, 2, axis=-1))


def einsum(subscripts: str, x: Complexlike, y: Complexlike) -> Pair:
    """Computes a complex `einsum` as four real ones, in full float32 precision on every device.

    Example:
        >>> to_complex(einsum("n,n->", jnp.asarray([1 + 2j]), jnp.asarray([1 + 2j])))
        Array(-3.+4.j, dtype=complex64)
    """
    x, y = as_pair(x), as_pair(y)

    def product(a, b):
        # By default, TPU rounds the factors to bfloat16, and GPU may round them to TensorFloat-32.
        return jnp.einsum(subscripts, a, b, precision=jax.lax.Precision.HIGHEST)

    return Pair(
        product(x.re, y.re) - product(x.im, y.im), product(x.re, y.im) + product(x.im, y.re)
    )


def real_einsum(subscripts: str, x: Complexlike, y: Complexlike) -> Float[Array, "..."]:
    """Computes the real part of `einsum(subscripts, x, y)`: two real products instead of four.

    Example:
        >>> real_einsum("n,n->", jnp.asarray([1 + 2j]), jnp.asarray([1 + 2j]))
        Array(-3., dtype=float32)
    """
    x, y = as_pair(x), as_pair(y)

    def product(a, b):
        return jnp.einsum(subscripts, a, b, precision=jax.lax.Precision.HIGHEST)

    return product(x.re, y.re) - product(x.im, y.im)
