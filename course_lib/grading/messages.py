"""Messages between the grader and what runs in a sandbox: eight bytes of length, then the bytes."""

import os
from collections.abc import Iterator

LENGTH = 8


def send(descriptor: int, message: bytes) -> None:
    """Write a message."""
    left = memoryview(len(message).to_bytes(LENGTH, "big") + message)
    while left:
        left = left[os.write(descriptor, left) :]


def receive(descriptor: int) -> Iterator[bytes]:
    """The messages that arrive, until the other end closes."""
    while len(start := _exactly(descriptor, LENGTH)) == LENGTH:
        yield _exactly(descriptor, int.from_bytes(start, "big"))


def _exactly(descriptor: int, size: int) -> bytes:
    data = bytearray()
    while len(data) < size and (received := os.read(descriptor, min(size - len(data), 1 << 20))):
        data += received
    return bytes(data)
