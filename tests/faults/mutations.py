"""Seeded mutations of files of every kind: each damages one region, or one value, in one way.

    for name, damaged in mutations(path.read_bytes(), "npz", seed=0, count=1_000):
        ...

Kinds are "npz" (any zip), "hdf5", "json", "jsonl" (a value of JSON in each line), and "bytes" (any
other). The same arguments give the same mutations, and `count` of them go round all regions and
ways.
"""

import io
import json
import random
import struct
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

KINDS = ("npz", "hdf5", "json", "jsonl", "bytes")
Region = tuple[str, int, int]
"""Name, first byte, and the byte behind the last one."""
Mutate = Callable[[random.Random, bytes], bytes]
# Module that nobody has: an id that names it would run its code.
CANARY = "canary_of_faults"
LARGEST_BLOCK = 64
EXTREMES = (0, 1, 0x7FFF, 0xFFFF, 2**31 - 1, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)
# Values that stand for others: every type, and what is at the edge of each.
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 10**30, 0.5, -1e300),
    "",
    "x",
    "0",
    "../../outside",
    "/etc/passwd",
    f"{CANARY}:CartPole-v1",
    "a\0b",
    "<script>|`",
    "x" * 5_000,
    [],
    [None],
    {},
    {"id": f"{CANARY}:CartPole-v1", "kwargs": {}},
)
DEEP = 100_000


def mutations(content: bytes, kind: str, seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Yields `count` damaged copies of a file, each with a name that says what was done."""
    if kind not in KINDS:
        raise ValueError(f"got the kind {kind!r}, wanted one of {', '.join(KINDS)}")
    ways = _ways(content, kind)
    number = tried = 0
    while number < count:
        way, mutate = ways[tried % len(ways)]
        rng = random.Random(f"{kind} {seed} {tried}")
        tried += 1
        if (damaged := mutate(rng, content)) == content:
            if tried > 100 * (count + len(ways)):
                raise ValueError("got a content that no mutation changes, wanted a longer one")
            continue
        yield f"{number}: {way}", damaged
        number += 1


def _ways(content: bytes, kind: str) -> list[tuple[str, Mutate]]:
    ways = [
        (f"{name} in {region[0]}", _within(region, change))
        for region in _regions(content, kind)
        for name, change in _CHANGES.items()
    ]
    structured = {"json": _JSON, "jsonl": _LINES, "npz": _MEMBERS}.get(kind, {})
    # As often as all changes of bytes together.
    rounds = max(1, len(ways) // max(1, len(structured)))
    return [*ways, *_WHOLE.items(), *list(structured.items()) * rounds]


def _regions(content: bytes, kind: str) -> list[Region]:
    size = len(content)
    quarters = [
        (f"quarter {n + 1}", size * n // 4, max(size * n // 4 + 1, size * (n + 1) // 4))
        for n in range(4)
    ]
    if kind == "npz":
        found = [*quarters, *_zip_regions(content)]
    elif kind == "hdf5":
        found = [("superblock", 0, min(96, size)), *quarters, ("end", max(0, size - 64), size)]
    else:
        found = [("start", 0, min(16, size)), *quarters, ("end", max(0, size - 16), size)]
    return [region for region in found if region[1] < region[2] <= size]


def _zip_regions(content: bytes) -> list[Region]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        infos, directory = archive.infolist(), archive.start_dir
    found = [("directory", directory, len(content) - 22), ("end", len(content) - 22, len(content))]
    for info in infos:
        sizes = struct.unpack("<HH", content[info.header_offset + 26 : info.header_offset + 30])
        start = info.header_offset + 30 + sum(sizes)
        found.append((f"header of {info.filename}", info.header_offset, start))
        end = start + info.compress_size
        # The header of an array says its type and shape.
        found.append((f"type of {info.filename}", start, min(start + 128, end)))
        found.append((f"content of {info.filename}", min(start + 128, end), end))
    return found


def _within(region: Region, change: Callable[[random.Random, bytes], bytes]) -> Mutate:
    _, start, end = region
    return lambda rng, content: content[:start] + change(rng, content[start:end]) + content[end:]


def _block(rng: random.Random, part: bytes) -> tuple[int, int]:
    size = rng.randint(1, min(LARGEST_BLOCK, len(part)))
    start = rng.randint(0, len(part) - size)
    return start, start + size


def _flip_bit(rng: random.Random, part: bytes) -> bytes:
    changed = bytearray(part)
    changed[rng.randrange(len(part))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _set_byte(rng: random.Random, part: bytes) -> bytes:
    at = rng.randrange(len(part))
    return part[:at] + rng.randbytes(1) + part[at + 1 :]


def _fill(byte: int) -> Callable[[random.Random, bytes], bytes]:
    def fill(rng: random.Random, part: bytes) -> bytes:
        start, end = _block(rng, part)
        return part[:start] + bytes([byte]) * (end - start) + part[end:]

    return fill


def _set_number(rng: random.Random, part: bytes) -> bytes:
    size = min(rng.choice([2, 4, 8]), len(part))
    at = rng.randint(0, len(part) - size)
    value = rng.choice(EXTREMES) % 256**size
    return part[:at] + value.to_bytes(size, "little") + part[at + size :]


def _swap(rng: random.Random, part: bytes) -> bytes:
    size = rng.randint(1, max(1, min(LARGEST_BLOCK, len(part) // 2)))
    if 2 * size > len(part):
        return part
    first = rng.randint(0, len(part) - 2 * size)
    second = rng.randint(first + size, len(part) - size)
    between = part[first + size : second]
    blocks = part[second : second + size], part[first : first + size]
    return part[:first] + blocks[0] + between + blocks[1] + part[second + size :]


def _repeat(rng: random.Random, part: bytes) -> bytes:
    start, end = _block(rng, part)
    return part[:end] + part[start:end] + part[end:]


def _remove(rng: random.Random, part: bytes) -> bytes:
    start, end = _block(rng, part)
    return part[:start] + part[end:]


_CHANGES: dict[str, Callable[[random.Random, bytes], bytes]] = {
    "flipped bit": _flip_bit,
    "other byte": _set_byte,
    "zeros": _fill(0),
    "ones": _fill(255),
    "extreme number": _set_number,
    "swapped blocks": _swap,
    "repeated block": _repeat,
    "removed block": _remove,
}
_WHOLE: dict[str, Mutate] = {
    "cut anywhere": lambda rng, content: content[: rng.randrange(len(content))],
    "cut at the end": lambda rng, content: content[: -rng.randint(1, min(32, len(content)))],
    "cut to nothing": lambda _, content: b"",
    "extended by zeros": lambda rng, content: content + bytes(rng.randint(1, 4_096)),
    "extended by noise": lambda rng, content: content + rng.randbytes(rng.randint(1, 4_096)),
    "extended by itself": lambda _, content: content + content,
    "zeros in front": lambda rng, content: bytes(rng.randint(1, 64)) + content,
    "zeroed second half": lambda _, content: (
        content[: len(content) // 2] + bytes(len(content) - len(content) // 2)
    ),
    "noise": lambda rng, content: rng.randbytes(len(content)),
}


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        names = value if isinstance(value, dict) else range(len(value))
        for name in names:
            yield from _places(value[name], (*path, name))


def _replace(value: Any, path: tuple[Any, ...], change: Callable[[Any, Any], None]) -> None:
    for name in path[:-1]:
        value = value[name]
    change(value, path[-1])


def _of_value(change: Callable[[random.Random, Any, Any], None]) -> Mutate:
    """Makes a change of one value of JSON, given what holds it and its name there."""

    def mutate(rng: random.Random, content: bytes) -> bytes:
        value = json.loads(content)
        inner = [path for path in _places(value) if path]
        if not inner:
            return content
        _replace(value, rng.choice(inner), lambda holder, name: change(rng, holder, name))
        return json.dumps(value, indent=2).encode()

    return mutate


def _delete(_: random.Random, holder: Any, name: Any) -> None:
    del holder[name]


def _other_value(rng: random.Random, holder: Any, name: Any) -> None:
    old = holder[name]
    if isinstance(old, bool):
        holder[name] = not old
    elif isinstance(old, int | float):
        holder[name] = rng.choice([old + 1, -old - 1, old * 2 + 1, old + 0.5])
    elif isinstance(old, str):
        holder[name] = rng.choice([old + "x", old[1:], old.upper() + "_", old[::-1] + "0"])
    else:
        holder[name] = rng.choice(VALUES)


def _other_type(rng: random.Random, holder: Any, name: Any) -> None:
    holder[name] = rng.choice([one for one in VALUES if type(one) is not type(holder[name])])


def _rename(rng: random.Random, holder: Any, name: Any) -> None:
    if isinstance(holder, dict):
        holder[rng.choice([f"{name}x", f"{name}"[1:], f"{name}".upper()])] = holder.pop(name)
    else:
        holder.insert(0, holder.pop(name))


def _add(rng: random.Random, holder: Any, name: Any) -> None:
    if isinstance(holder, dict):
        holder[f"new_{name}"] = rng.choice(VALUES)
    else:
        holder.append(rng.choice(VALUES))


def _exchange(rng: random.Random, holder: Any, name: Any) -> None:
    other = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    holder[name], holder[other] = holder[other], holder[name]


def _raw(text: str) -> Mutate:
    """Puts a text in the place of a value, which no JSON writer would write."""

    def mutate(rng: random.Random, content: bytes) -> bytes:
        value = json.loads(content)
        inner = [path for path in _places(value) if path]
        if not inner:
            return content
        mark = "a mark of the mutation"
        _replace(value, rng.choice(inner), lambda holder, name: holder.__setitem__(name, mark))
        return json.dumps(value).replace(f'"{mark}"', text, 1).encode()

    return mutate


def _double_key(rng: random.Random, content: bytes) -> bytes:
    value = json.loads(content)
    if not isinstance(value, dict) or not value:
        return content
    name = rng.choice(sorted(value))
    return b"{%s: %s," % (json.dumps(name).encode(), json.dumps(rng.choice(VALUES)).encode()) + (
        json.dumps(value)[1:].encode()
    )


_JSON: dict[str, Mutate] = {
    "deleted key": _of_value(_delete),
    "other value": _of_value(_other_value),
    "other type": _of_value(_other_type),
    "renamed key": _of_value(_rename),
    "new key": _of_value(_add),
    "exchanged values": _of_value(_exchange),
    "NaN": _raw("NaN"),
    "infinity": _raw("-Infinity"),
    "large exponent": _raw("1e999"),
    "long number": _raw("9" * 5_000),
    "nested lists": _raw("[" * DEEP + "]" * DEEP),
    "nested objects": _raw('{"a":' * DEEP + "1" + "}" * DEEP),
    "half a surrogate": _raw('"\\ud800"'),
    "double key": _double_key,
    "other spaces": lambda _, content: json.dumps(json.loads(content), indent=7).encode(),
}
ODD_LINES = (b"5", b"null", b"{}", b"[]", b'"a"', b"", b"\xff", b"{", b"[" * DEEP)


def _of_lines(change: Callable[[random.Random, list[bytes]], None]) -> Mutate:
    def mutate(rng: random.Random, content: bytes) -> bytes:
        lines = content.splitlines()
        change(rng, lines)
        return b"".join(line + b"\n" for line in lines)

    return mutate


def _in_line(rng: random.Random, lines: list[bytes]) -> None:
    number = rng.randrange(len(lines))
    lines[number] = rng.choice(list(_JSON.values()))(rng, lines[number]).replace(b"\n", b"")


def _swap_lines(rng: random.Random, lines: list[bytes]) -> None:
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]


def _cut_line(rng: random.Random, lines: list[bytes]) -> None:
    number = rng.randrange(len(lines))
    lines[number] = lines[number][: rng.randrange(len(lines[number]) or 1)]


_LINES: dict[str, Mutate] = {
    "value in a line": _of_lines(_in_line),
    "odd line": _of_lines(
        lambda rng, lines: lines.insert(rng.randint(0, len(lines)), rng.choice(ODD_LINES))
    ),
    "removed line": _of_lines(lambda rng, lines: lines.__delitem__(rng.randrange(len(lines)))),
    "double line": _of_lines(lambda rng, lines: lines.append(rng.choice(lines))),
    "swapped lines": _of_lines(_swap_lines),
    "cut line": _of_lines(_cut_line),
    "no last end": lambda _, content: content.rstrip(b"\n"),
}


def _of_members(change: Callable[[random.Random, list[tuple[str, bytes]]], None]) -> Mutate:
    """Makes a valid archive with other members."""

    def mutate(rng: random.Random, content: bytes) -> bytes:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [(name, archive.read(name)) for name in archive.namelist()]
        change(rng, members)
        return _zip(members)

    return mutate


def _zip(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members:
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            if name in archive.NameToInfo:
                # Otherwise it warns about the name.
                del archive.NameToInfo[name]
            archive.writestr(info, data, compress_type=method)
    return file.getvalue()


def _rename_member(rng: random.Random, members: list[tuple[str, bytes]]) -> None:
    at = rng.randrange(len(members))
    name, data = members[at]
    members[at] = rng.choice([f"x{name}", "../outside.npy", "/outside.npy", "x"]), data


def _exchange_members(rng: random.Random, members: list[tuple[str, bytes]]) -> None:
    (one, data), (other, other_data) = rng.sample(members, 2) if len(members) > 1 else members * 2
    members[:] = [
        (name, other_data if name == one else data if name == other else old)
        for name, old in members
    ]


def _change_member(rng: random.Random, members: list[tuple[str, bytes]]) -> None:
    """Damages a member whose checksum is then made again."""
    at = rng.randrange(len(members))
    name, data = members[at]
    if data:
        members[at] = name, rng.choice(list(_CHANGES.values()))(rng, data)


def _compress(_: random.Random, content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    return _zip(members, zipfile.ZIP_DEFLATED)


_MEMBERS: dict[str, Mutate] = {
    "changed member": _of_members(_change_member),
    "removed member": _of_members(lambda rng, members: members.pop(rng.randrange(len(members)))),
    "renamed member": _of_members(_rename_member),
    "exchanged members": _of_members(_exchange_members),
    "double member": _of_members(lambda rng, members: members.append(rng.choice(members))),
    "new member": _of_members(lambda rng, members: members.append(("new.npy", rng.randbytes(99)))),
    "compressed": _compress,
}
