"""What tests hand to launchers: in a module of its own that imports little, since each process imports it anew."""

import os
import signal

from vqe_prune.errors import InputError


def square_or_fail(number: int) -> int:
    """Return a square; two is bad input, and three kills the process."""
    if number == 2:
        raise InputError("two is not for this")
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number**2
