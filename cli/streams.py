"""Standard input, output and error of the process: what happens when one of them is closed, full, or nobody reads it.

The one place that knows. Commands just print: whoever reads may go away (`postpay lag | head -1`), and the command does
what it was asked to all the same, down to its exit code. What never ends by itself asks `reader_is_gone`.
"""

import errno
import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

STANDARD = (0, 1, 2)


class UnwritableError(Exception):
    """Standard output is closed, or takes nothing any more: a disk is full, a device is gone."""


class _Writer(io.FileIO):
    """A standard stream as a file that only fails once, and not at all for want of a reader.

    Args:
        descriptor: of the stream.
        is_needed: whether what can't be written is an error.
    """

    def __init__(self, descriptor: int, *, is_needed: bool) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._is_needed = is_needed

    def write(self, data: Any, /) -> int:
        """Write; what nobody takes is dropped, or the interpreter would try again, and complain, at its end."""
        try:
            return super().write(data)
        except OSError as error:
            is_failure = self._is_needed and error.errno != errno.EPIPE
            self._is_needed = False
            if is_failure:
                raise UnwritableError(f"cannot write to standard output: {error.strerror}") from error
        return memoryview(data).nbytes


@contextmanager
def guarded() -> Iterator[None]:
    """Standard streams that hold what this module says; those that somebody has put in their place are left alone.

    Raises:
        UnwritableError: standard output is closed, or what is in its buffer cannot be written.
    """
    _fill_holes()
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115  it lasts as long as the process
    if sys.stdout is None:
        raise UnwritableError("standard output is closed; where nobody wants it, redirect it: >/dev/null")
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout is sys.__stdout__:
        sys.stdout = _text(sys.stdout, is_needed=True)
    if isinstance(sys.stderr, io.TextIOWrapper) and sys.stderr is sys.__stderr__:
        sys.stderr = _text(sys.stderr, is_needed=False)
    try:
        yield
    finally:
        sys.stdout.flush()


def reader_is_gone() -> bool:
    """Whether whoever read standard output has closed it: what is printed from now on is for nobody."""
    poll = select.poll()
    with suppress(OSError, ValueError):
        poll.register(sys.stdout.fileno(), 0)  # nothing is asked for: an error is told all the same
        return any(found & select.POLLERR for _, found in poll.poll(0))
    return False


def _fill_holes() -> None:
    """Give a closed descriptor to nothing, or the next connection to a broker would be standard error."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) in STANDARD:
        pass
    os.close(descriptor)


def _text(stream: io.TextIOWrapper, *, is_needed: bool) -> io.TextIOWrapper:
    """The same stream; what its encoding has no character for is written as an escape."""
    writer = io.BufferedWriter(_Writer(stream.fileno(), is_needed=is_needed))
    return io.TextIOWrapper(
        writer, encoding=stream.encoding, errors="backslashreplace", line_buffering=bool(stream.line_buffering)
    )
