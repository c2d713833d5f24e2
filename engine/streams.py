"""Standard streams that may be closed, full, or a pipe that nobody reads: never an error in the midst of work.

Python raises at the first line that cannot be written, and again when it flushes at the end. Here a stream takes what
it can; that something was lost is said once, at the end, and by the exit code.
"""

from __future__ import annotations

import atexit
import errno
import io
import os
import select
import sys
from typing import TextIO


class _Output(io.FileIO):
    """A standard stream that remembers why it cannot be written, and raises nothing."""

    failure: OSError | None = None

    def write(self, data: object) -> int:
        size = memoryview(data).nbytes  # type: ignore[arg-type]  # a buffer, as FileIO has it
        if self.failure is not None:
            return size
        try:
            written = super().write(data)  # type: ignore[arg-type]  # likewise
            if written is None:  # somebody else made it non-blocking
                select.select([], [self], [])
                return 0
        except OSError as error:
            self.failure = error
            return size
        return written


_outputs: dict[str, _Output] = {}
_exit_code = 1


def prepare() -> None:
    """Make sure that there are three standard streams, and that writing to them never raises."""
    # Descriptors that were closed lead to the null device: the next file that is opened would get their number
    # otherwise, and be written to by whoever writes to standard error.
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = _forgiving("stdout", 1, sys.stdout)
    sys.stderr = _forgiving("stderr", 2, sys.stderr)


def leave_at_exit() -> None:
    """Have this process end with :func:`finish`'s code after its exit handlers; call it before heavy imports."""
    # The interpreter's own end, which would follow, stops threads wherever they are: in the midst of torch's code that
    # aborts the process, and its exit code is lost.
    atexit.register(_leave)


def _leave() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(_exit_code)


def finish(code: int) -> int:
    """Write out what is still held; the exit code so far, or 1 for 0 where standard output could not be written."""
    global _exit_code
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    output = _outputs.get("stdout")
    # Whoever closed the pipe has read enough.
    if output is not None and output.failure is not None and output.failure.errno != errno.EPIPE:
        print(f"wnt-tui: Cannot write to standard output: {output.failure.strerror}.", file=sys.stderr, flush=True)
        code = code or 1
    _exit_code = code
    return code


def _forgiving(name: str, descriptor: int, stream: TextIO | None) -> TextIO:
    """A text stream on a descriptor, with the encoding of the one that Python has made."""
    if stream is not None:
        stream.flush()
    _outputs[name] = _Output(descriptor, "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(_outputs[name]),
        encoding="utf-8" if stream is None else stream.encoding,
        errors="backslashreplace" if stream is None or stream.errors is None else stream.errors,
        line_buffering=_outputs[name].isatty() or descriptor == 2,
    )
