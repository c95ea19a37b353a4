"""A sequence that is written once and gone through often: in memory while short, in a temporary file beyond that."""

import tempfile
from collections.abc import Callable, Collection, Iterator
from functools import cache
from itertools import chain
from typing import IO, Generic, TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)

BLOCK = 1_000
"""Items of one block of the file: what is in memory at once."""


_encode = msgspec.msgpack.Encoder().encode


@cache
def _decoder(kind: type[T]) -> Callable[[bytes], list[T]]:
    return msgspec.msgpack.Decoder(list[kind]).decode  # type: ignore[valid-type]


class Spool(Generic[T]):
    """Items of one type, in the order in which they came."""

    def __init__(self, kind: type[T]) -> None:
        self._decode = _decoder(kind)
        self._recent: list[T] = []
        self._file: IO[bytes] | None = None
        self._ends: list[int] = []
        self._length = 0

    def append(self, item: T) -> None:
        self.extend((item,))

    def extend(self, items: Collection[T]) -> None:
        self._recent.extend(items)
        self._length += len(items)
        while len(self._recent) > BLOCK:
            self._write(self._recent[:BLOCK])
            self._recent = self._recent[BLOCK:]

    def _write(self, items: list[T]) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it is collected
        start = self._ends[-1] if self._ends else 0
        block = _encode(items)
        self._file.seek(start)
        self._file.write(block)
        self._ends.append(start + len(block))

    def __len__(self) -> int:
        return self._length

    def between(self, start: int, end: int) -> Iterator[T]:
        """The items from place `start` up to, and without, `end`."""
        at = start // BLOCK * BLOCK
        while at < end:
            block = self._block(at // BLOCK)
            yield from block[max(start - at, 0) : end - at]
            at += BLOCK

    def _block(self, number: int) -> list[T]:
        if number >= len(self._ends):
            return self._recent if number == len(self._ends) else []
        assert self._file is not None
        start = self._ends[number - 1] if number else 0
        self._file.seek(start)
        return self._decode(self._file.read(self._ends[number] - start))

    def blocks(self) -> Iterator[list[T]]:
        """The items, as many at once as are in memory together. The lists are the caller's own."""
        start = 0
        for end in self._ends:
            assert self._file is not None
            self._file.seek(start)
            yield self._decode(self._file.read(end - start))
            start = end
        yield self._recent[:]

    def __iter__(self) -> Iterator[T]:
        return chain.from_iterable(self.blocks())
