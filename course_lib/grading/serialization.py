"""Serialization of results on their way out of the sandbox: JSON and raw numbers, never code.

    8 bytes of magic | length of the header, 4 bytes | header (JSON) | the arrays' bytes, end to end

`pack` runs inside the sandbox, `unpack` outside. There nothing is believed: every kind, dtype,
shape and length must fit the others, or the whole is refused.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from course_lib.exercises.observe import Failure, Leaf, Observed

MAGIC = b"course1\n"
MOST_BYTES = 64_000_000
_MOST_HEADER = 2_000_000
_MOST_CASES = 1000
_MOST_EMPTY_TEXTS = 1000
_MOST_LEAVES = 20_000
_DTYPE = re.compile(r"[<|](b1|[iu][1248]|f[248]|c8|c16|U\d{1,6})")
_NUMBER_KINDS = {"whole number": "iu", "number": "iuf", "truth": "b", "text": "U"}


@dataclass(frozen=True)
class Result:
    """What a run gave: one `Observed` a case, or why the notebook's definitions stopped.

    `own`: the run itself noticed that the answer is, or calls, the course's own part.
    """

    observed: tuple[Observed, ...]
    setup: Failure | None = None
    own: bool = False


def pack(result: Result) -> bytes:
    """A result as bytes. Arrays of anything but numbers, truths and text go without their items."""
    chunks: list[bytes] = []

    def leaf(value: Leaf) -> list[Any]:
        array: NDArray[Any] = np.asarray(value.values)
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        kind, dtype = value.kind, value.dtype
        if not _DTYPE.fullmatch(array.dtype.str):
            kind, dtype, array = f"{kind} of {array.dtype.name}", "", np.empty(0)
        if kind == "array":
            dtype = str(array.dtype)
        chunks.append(array.tobytes())
        return [kind[:200], dtype, value.where[:200], array.dtype.str, list(array.shape)]

    header = json.dumps(
        {
            "setup": _failure_out(result.setup),
            "own": result.own,
            "cases": [
                {
                    "values": [leaf(v) for v in o.values],
                    "arguments": [leaf(v) for v in o.arguments],
                    "printed": o.printed[:2000],
                    "failure": _failure_out(o.failure),
                }
                for o in result.observed
            ],
        }
    ).encode()
    return b"".join([MAGIC, len(header).to_bytes(4, "little"), header, *chunks])


def size(result: Result) -> int:
    """Bytes of all its numbers."""
    return sum(v.values.nbytes for o in result.observed for v in (*o.values, *o.arguments))


def _failure_out(failure: Failure | None) -> list[Any] | None:
    if failure is None:
        return None
    return [failure.type[:100], failure.message[:500], failure.line, failure.code[:200]]


def unpack(data: bytes) -> Result:
    """The result in `data`. Raises ValueError for anything that `pack` would not have written."""
    try:
        return _unpack(data)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, MemoryError) as error:
        raise ValueError(f"what came back cannot be read: {error}") from None


def _unpack(data: bytes) -> Result:
    _want(len(data) <= MOST_BYTES, "too many bytes")
    _want(data[:8] == MAGIC, "another beginning")
    length = int.from_bytes(data[8:12], "little")
    _want(0 < length <= min(_MOST_HEADER, len(data) - 12), "a header of another length")
    header = json.loads(data[12 : 12 + length].decode("utf-8"))
    reader = _Reader(memoryview(data)[12 + length :])
    _want(isinstance(header["cases"], list) and len(header["cases"]) <= _MOST_CASES, "the cases")
    cases = tuple(
        Observed(
            tuple(reader.leaf(v) for v in _list(case["values"])),
            tuple(reader.leaf(v) for v in _list(case["arguments"])),
            _text(case["printed"], 2000),
            _failure_in(case["failure"]),
        )
        for case in header["cases"]
    )
    _want(reader.at == len(reader.payload), "bytes that belong to nothing")
    _want(isinstance(header["own"], bool), "expected true or false")
    return Result(cases, _failure_in(header["setup"]), header["own"])


def _want(truth: bool, otherwise: str) -> None:
    if not truth:
        raise ValueError(otherwise)


def _text(value: Any, most: int) -> str:
    _want(
        isinstance(value, str) and len(value) <= most,
        f"expected a string of at most {most} characters",
    )
    return str(value.encode("utf-8", "replace").decode("utf-8"))


def _list(value: Any) -> list[Any]:
    _want(
        isinstance(value, list) and len(value) <= _MOST_LEAVES,
        f"expected a list of at most {_MOST_LEAVES} items",
    )
    return list(value)


def _failure_in(value: Any) -> Failure | None:
    if value is None:
        return None
    kind, message, line, code = _list(value)
    _want(type(line) is int and 0 <= line < 10**9, "expected a line number")
    return Failure(_text(kind, 100) or "Exception", _text(message, 500), line, _text(code, 200))


class _Reader:
    """Takes one array after the other from the payload."""

    def __init__(self, payload: memoryview) -> None:
        self.payload = payload
        self.at = 0
        self.leaves = 0

    def leaf(self, value: Any) -> Leaf:
        kind, dtype, where, code, shape = _list(value)
        kind, dtype, where = _text(kind, 200), _text(dtype, 200), _text(where, 200)
        self.leaves += 1
        _want(self.leaves <= _MOST_LEAVES, "too many values")
        _want(isinstance(code, str) and _DTYPE.fullmatch(code) is not None, "a dtype of its own")
        _want(len(_list(shape)) <= 16, "too many axes")
        _want(all(type(n) is int and 0 <= n <= MOST_BYTES for n in shape), "expected a shape")
        array_type = np.dtype(code)
        count = math.prod(shape)
        size = count * array_type.itemsize
        # a text of no characters takes no bytes here, but four each once it is an array
        _want(array_type.itemsize > 0 or count <= _MOST_EMPTY_TEXTS, "more values than bytes")
        _want(size <= len(self.payload) - self.at, "more values than bytes")
        raw = bytearray(self.payload[self.at : self.at + size])
        self.at += size
        flat = np.frombuffer(raw, array_type) if size else np.zeros(count, array_type)
        array = flat.reshape(shape)
        if array_type.kind == "U" and size:
            _want(bool((np.frombuffer(raw, "<u4") < 0x110000).all()), "what is no character")
        _consistent(kind, dtype, array)
        return Leaf(kind, dtype, array, where)


def _consistent(kind: str, dtype: str, array: NDArray[Any]) -> None:
    """Whether a leaf is one that observe.leaves can make."""
    if kind == "tensor":
        _want(array.dtype.name == {"bfloat16": "float32"}.get(dtype, dtype), "a false dtype")
    elif kind == "array":
        _want(str(array.dtype) == dtype, "a false dtype")
    elif kind in ("number", "list") and dtype:
        _want(array.ndim == (kind == "list"), "a number with axes")
        wanted = _NUMBER_KINDS.get(dtype, "")
        _want(array.size == 0 or array.dtype.kind in wanted, "a false dtype")
    elif kind == "text":
        _want(dtype == "text" and array.dtype.kind == "U" and array.ndim == 0, "a false text")
    elif kind not in ("number", "list"):
        _want(array.size == 0, "values of an unknown kind")
