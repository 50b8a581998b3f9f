"""Run what the pages show: Python blocks must print what stands below them, commands must have settings that exist.

A page's ``python`` blocks share their names; those that import other programs are left out. Where one is followed by
the word `prints` and a block, its output must be that block. ``yaml`` blocks that begin with a comment `# NAME.yaml`
are files for the commands of their page.

    python docs/run_pages.py [--write] [PAGE ...]

runs all pages, or those named; ``--write`` puts what was printed into the pages instead.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from vqe_prune.config import parse_settings
from vqe_prune.errors import InputError

ROOT = Path(__file__).parent.parent
PYTHON = re.compile(
    r"^```python\n(?P<code>.*?)^```\n(?P<prints>\nprints\n\n```(?:text)?\n(?P<output>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)
FILES = re.compile(r"^```yaml\n# (?P<name>[\w.-]+)[^\n]*\n.*?^```\n", re.MULTILINE | re.DOTALL)
COMMANDS = re.compile(r"^\s*(?:\S*/)?python3? -m vqe_prune (?P<settings>\S*=.*)$", re.MULTILINE)
OTHERS = re.compile(r"^(?:from|import) (?:pennylane|qiskit\w*|tencirchem)\b", re.MULTILINE)
"""Code of other programs is run by benchmarks/migration.py, which has an environment for each."""

PLACEHOLDER = re.compile(r"=(?:FILE|FOLDER|ID|\.\.\.|\S*\$)|--multirun|-m ")
"""Commands with one of these are examples of a form: they cannot be checked as they stand."""


def pages() -> list[Path]:
    """Pages that may hold code, in their order."""
    found = sorted(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts)
    return [ROOT / "README.md", *found]


def run_code(text: str) -> tuple[str, list[str]]:
    """Run a page's Python blocks; return the page with what they print, and what went wrong or differs."""
    names: dict[str, Any] = {"__name__": "__main__"}
    complaints = []

    def run(block: re.Match[str]) -> str:
        if OTHERS.search(block["code"]):
            return block[0]
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                exec(compile(block["code"], "page", "exec"), names)
        except Exception:
            complaints.append(f"{block['code']}\n{traceback.format_exc(limit=-2)}")
            return block[0]
        if block["output"] is None:
            return block[0]
        if printed.getvalue() != block["output"]:
            complaints.append(f"{block['code']}\nprints\n\n{printed.getvalue()}\nnot\n\n{block['output']}")
        start = block.start()
        return block[0][: block.start("output") - start] + printed.getvalue() + block[0][block.end("output") - start :]

    return PYTHON.sub(run, text), complaints


def check_commands(text: str) -> list[str]:
    """Return what is wrong with the settings of a page's commands; files of the page stand in the working folder."""
    complaints = []
    for found in FILES.finditer(text):
        Path(found["name"]).write_text("\n".join(found[0].splitlines()[2:-1]))
    for found in COMMANDS.finditer(text):
        settings = found["settings"].split(" > ")[0]
        files = [word for word in shlex.split(settings) if re.search(r"=\S+\.(xyz|txt|fcidump|yaml)$", word)]
        if PLACEHOLDER.search(settings) or any(not Path(word.partition("=")[2]).exists() for word in files):
            continue
        try:
            parse_settings(shlex.split(settings))
        except InputError as error:
            complaints.append(f"python -m vqe_prune {settings}\n{error}")
    return complaints


def main() -> int:
    """Run the pages; return how many of them have something wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put what was printed into the pages")
    parser.add_argument("pages", nargs="*", type=Path)
    arguments = parser.parse_args()
    wrong = 0
    for page in [path.resolve() for path in arguments.pages] or pages():
        text, began = page.read_text(), time.perf_counter()
        with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
            complaints = check_commands(text)
            written, differences = run_code(text)
        if arguments.write and written != text:
            page.write_text(written)
            differences = [each for each in differences if "Traceback" in each]
        if complaints or differences:
            wrong += 1
            print(f"{page.relative_to(ROOT)}:", *complaints, *differences, sep="\n\n", file=sys.stderr)
        blocks, commands = len(PYTHON.findall(text)), len(COMMANDS.findall(text))
        if blocks or commands:
            seconds = time.perf_counter() - began
            print(f"{page.relative_to(ROOT)}: {blocks} blocks, {commands} commands, {seconds:.1f} s", flush=True)
    return min(wrong, 1)


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(main())
