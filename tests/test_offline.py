"""No network at import, in a run or in tests, and no warning in any of them."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALL_MODULES = """
import importlib, pkgutil, runpy, sys
runpy.run_path(sys.argv.pop(1))  # conftest.py: refuses the network from here on
import vqe_prune
for module in pkgutil.walk_packages(vqe_prune.__path__, "vqe_prune."):
    try:
        importlib.import_module(module.name) if "__main__" not in module.name else None
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
import vqe_prune.__main__
sys.exit(vqe_prune.__main__.main(sys.argv[1:]))
"""


OUTSIDE = "192.0.2.1"  # an address that no machine has: RFC 5737


def test_reaching_out_ends_a_test() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        for reach in (
            lambda: socket.create_connection((OUTSIDE, 80), timeout=0.1),
            lambda: datagrams.sendto(b"x", (OUTSIDE, 9)),
            lambda: socket.getaddrinfo("example.org", 443),
            lambda: socket.gethostbyname("example.org"),
        ):
            with pytest.raises(pytest.fail.Exception, match="use no network"):
                reach()


def test_this_machine_may_be_talked_to() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        assert socket.getaddrinfo("localhost", None)


def test_every_import_and_a_run_need_no_network_and_warn_of_nothing(tmp_path) -> None:
    command = [sys.executable, "-W", "error", "-c", ALL_MODULES, str(ROOT / "conftest.py")]
    done = subprocess.run(
        [*command, "molecule=H2", f"output_dir={tmp_path / 'h2'}"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "h2" / "report.html").is_file()
