"""What every command prints: in letters that the terminal has, and errors as sentences."""

import errno
import io
import re
import sys

_FULL = "the disk is full. Make some room and give the same command again"


def show_all_letters() -> None:
    """Print a letter that the terminal lacks as an escape (\\u0142) instead of failing over it.

    That is for a terminal without UTF-8 (Windows' cp1252), and for file names that are no text.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def in_words(error: BaseException) -> str:
    """A sentence for what a user or a machine can cause; "" for what is a fault of the course."""
    said = str(error).strip()
    kind = type(error).__name__
    if isinstance(error, UnicodeEncodeError):
        return "a name or a prompt has characters that are no valid text; type it again"
    if (isinstance(error, OSError) and error.errno == errno.ENOSPC) or "os error 28" in said:
        place = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
        return f"{_FULL}{place}"
    if isinstance(error, OSError) and error.errno and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, ImportError):
        return f"{said}. The installation is not whole: `course doctor` says what repairs it"
    if kind == "SafetensorError":
        return f"a file of weights cannot be read or written: {said}"
    if isinstance(error, MemoryError) or re.search("can't allocate memory|out of memory", said):
        return "there is not enough memory free. Close other programs and notebooks, then try again"
    return said or kind if isinstance(error, (ValueError, OSError)) else ""
