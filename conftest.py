"""What holds for all tests and examples: no network, and nothing collected whose optional package is missing."""

import sys
from importlib.util import find_spec
from typing import Any

import pytest

NEED_TORCH = ("fin", "circuit_head", "ctr_training", "ctr_runs", "ctr_pruning")

collect_ignore = [] if find_spec("torch") else [f"vqe_prune/tasks/{name}.py" for name in NEED_TORCH]

# of Python's audit events, those that reach out: where the host or the address stands among their arguments
REACHES_OUT = {
    "socket.connect": 1,
    "socket.sendto": 1,
    "socket.sendmsg": 1,
    "socket.getaddrinfo": 0,
    "socket.gethostbyname": 0,
    "socket.gethostbyaddr": 0,
}


def local(address: Any) -> bool:
    """Whether a host name or a socket's address is of this machine; paths of Unix sockets and no address at all are."""
    host = address[0] if isinstance(address, tuple) else address
    if isinstance(host, bytes):
        host = host.decode(errors="replace")
    if host is None or (not isinstance(address, tuple) and "/" in str(host)):
        return True
    return host in {"", "localhost", "::1"} or str(host).startswith(("127.", "\0"))


def refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    """End a test whose code looks up or talks to another machine; no `except Exception` of the code can hide it."""
    if event in REACHES_OUT and not local(arguments[REACHES_OUT[event]]):
        pytest.fail(f"{event} {arguments[REACHES_OUT[event]]!r}: tests and imports use no network")


sys.addaudithook(refuse_network)  # a hook stays for the life of the process, so that collecting is watched too
