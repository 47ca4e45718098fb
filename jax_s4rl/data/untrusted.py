"""Checks of what comes from files of unknown origin: kind and size, JSON, and names for paths."""

import hashlib
import json
import math
import os
import re
import stat
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MAX_JSON_BYTES = 1 << 24
MAX_JSON_DEPTH = 64
MAX_NAME_LENGTH = 100
# What compressed arrays may expand to: this many bytes, or this many times the size of the file.
FREE_EXPANSION, MAX_EXPANSION = 1 << 28, 100
# What the libraries that read arrays raise at a damaged file.
DAMAGE = (
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    zlib.error,
)
# Most letters of an error that is a sentence of this package, with its remedy at the end.
SENTENCE = 1000
_UNSAFE = re.compile(r"[^A-Za-z0-9._=+-]+")


def check_file(path: str | Path, largest: int | None = None) -> int:
    """Checks that a path is a plain file, before it is opened.

    Opening a pipe would wait for its writer, and a device may never end.

    Args:
        path: Path of the file.
        largest: Largest size, in bytes; None for any.

    Returns:
        The size of the file in bytes.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is something else than a file, or too large.
        OSError: If its folder cannot be read.
    """
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(f"there is no file {path}; check the name") from None
    except ValueError:
        # A name with a NUL.
        raise ValueError(f"got the path {str(path)!r}, which no file can have; rename it") from None
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
        raise ValueError(f"{path} is {kind}, wanted a plain file; check the name")
    if largest is not None and status.st_size > largest:
        raise ValueError(
            f"{path} has {status.st_size:,} bytes, wanted at most {largest:,}; check where it is "
            "from"
        )
    return status.st_size


def parse_json(content: str | bytes, source: str | Path) -> Any:
    """Reads JSON, of bounded size and depth, without NaN or infinity.

    Args:
        content: The text.
        source: Name of its origin, for errors.

    Returns:
        The value.

    Raises:
        ValueError: If it is not JSON, too large, or nested too deeply.

    Example:
        >>> parse_json('{"seed": 3}', "one.json")
        {'seed': 3}
    """
    if len(content) > MAX_JSON_BYTES:
        raise ValueError(
            f"{source} has {len(content):,} bytes of JSON, wanted at most {MAX_JSON_BYTES:,}; "
            "check where it is from"
        )
    try:
        value = json.loads(content, parse_constant=_refuse_constant, parse_float=_finite)
        check_depth(value)
        # Half of a pair of surrogates is no text: it could not be printed.
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError(
            f"{source} is nested too deeply, wanted at most {MAX_JSON_DEPTH} levels; check where "
            "it is from"
        ) from None
    except ValueError as error:
        raise ValueError(
            f"{source} is empty, truncated or not JSON ({error}); delete it and make it again"
        ) from None
    return value


def check_depth(value: Any, depth: int = MAX_JSON_DEPTH) -> None:
    """Checks that lists and dictionaries are not nested too deeply.

    Args:
        value: Value of JSON.
        depth: Number of levels that it may have.

    Raises:
        RecursionError: If it has more.
    """
    if isinstance(value, dict | list):
        if not depth:
            raise RecursionError
        for part in value.values() if isinstance(value, dict) else value:
            check_depth(part, depth - 1)


def canonical(value: Any) -> bytes:
    """Writes JSON in one form: two values are the same if, and only if, their bytes are.

    Args:
        value: Value of JSON.

    Returns:
        The text in UTF-8, with sorted names and without spaces.

    Raises:
        ValueError: If it holds NaN or infinity.
        TypeError: If it holds something else than JSON.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def digest(fields: Mapping[str, Any], besides: str) -> str:
    """Computes the SHA-256 of all fields but one, in which the result is kept.

    Args:
        fields: Object of JSON.
        besides: Name of the field that is left out.

    Returns:
        64 hexadecimal digits.

    Raises:
        ValueError: If a field holds NaN or infinity.
        TypeError: If a field holds something else than JSON.

    Example:
        >>> one = {"step": 3}
        >>> digest(one, "seal") == digest(one | {"seal": digest(one, "seal")}, "seal")
        True
    """
    covered = {name: value for name, value in fields.items() if name != besides}
    return hashlib.sha256(canonical(covered)).hexdigest()


def largest_expansion(size: int) -> int:
    """Returns the number of bytes to which the arrays of a file may expand.

    Args:
        size: Size of the file, in bytes.
    """
    return max(FREE_EXPANSION, MAX_EXPANSION * size)


def brief(error: BaseException, length: int = 200) -> str:
    """Returns the first line of an error's message, or the error's name.

    Args:
        error: Error, whose message may have many lines.
        length: Most letters of the line.

    Example:
        >>> brief(OSError("unable to open")), brief(KeyError())
        ('unable to open', 'KeyError')
    """
    return (str(error).strip() or type(error).__name__).split("\n")[0][:length]


def file_name(value: Any) -> str:
    """Makes one name of a file of anything that a file says.

    Args:
        value: Name, seed, or whatever stands in their place.

    Returns:
        Letters, digits and `._=+-` alone, at most 100 of them, with no dot at the start: it stays
        in the folder that it is put into. A longer name is cut, and keeps a hash of the whole.

    Example:
        >>> file_name("cartpole/mixed-seed0"), file_name("../../etc/passwd"), file_name([1])
        ('cartpole-mixed-seed0', 'etc-passwd', '1')
    """
    text = str(value)
    name = _UNSAFE.sub("-", text).lstrip(".-").rstrip("-") or "unnamed"
    if len(name) <= MAX_NAME_LENGTH:
        return name
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{name[: MAX_NAME_LENGTH - 9]}-{digest}"


def _finite(text: str) -> float:
    if math.isinf(number := float(text)):
        raise ValueError(f"it holds {text[:20]}, which is too large")
    return number


def _refuse_constant(name: str) -> None:
    raise ValueError(f"it holds {name}, which is not JSON")
