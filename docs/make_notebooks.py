"""Make the notebooks out of examples: every paragraph of a script is a cell; the outputs are those of a real run.

    python docs/make_notebooks.py [--check]

``--check`` writes nothing: it fails where a notebook's cells are not those of its script or hold no output.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).parent.parent
NOTEBOOKS = ("02_prune_lih", "03_one_ansatz_for_a_curve", "20_virtual_processor")
CHECKED = re.compile(r"[,;] and (?:what|the numbers that) must come out\. |\. ")
"""How the first sentence of a script ends, which is no part of a title."""

LARGEST = 200_000
"""Bytes of a notebook with its outputs."""


def cells_of(script: Path) -> list[NotebookNode]:
    """Return the cells of a script: its docstring as a title, then its paragraphs, comments at their head as text."""
    text = script.read_text()
    tree = ast.parse(text)
    lines = text.splitlines()
    title = re.split(CHECKED, f"{(ast.get_docstring(tree) or '').splitlines()[0]} ")[0]
    cells = [new_markdown_cell(f"# {title}\n\nThis is `examples/{script.name}`; its last lines check the numbers.")]
    last = tree.body[0].end_lineno or 0
    paragraph: list[str] = []
    imports = True  # all of them are one cell
    for statement in tree.body[1:]:
        between = lines[last : statement.lineno - 1]
        imports = imports and isinstance(statement, ast.Import | ast.ImportFrom)
        if "" in between and paragraph and not imports:
            cells += _cells(paragraph)
            paragraph = []
        paragraph += [line for line in between if line] + lines[statement.lineno - 1 : statement.end_lineno]
        last = statement.end_lineno or last
    cells += _cells(paragraph)
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"  # not drawn by chance, so that the same script gives the same file
    return cells


def _cells(paragraph: list[str]) -> list[NotebookNode]:
    """A code cell, behind a text cell where the paragraph begins with a comment."""
    n = next(k for k, line in enumerate(paragraph) if not line.startswith("#"))
    words = " ".join(line.removeprefix("#").strip() for line in paragraph[:n])
    return [*([new_markdown_cell(words)] if words else []), new_code_cell("\n".join(paragraph[n:]))]


def executed(cells: list[NotebookNode]) -> NotebookNode:
    """Return a notebook of cells with their outputs; an exception of any of them is raised."""
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when it ran
    notebook.metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return notebook


def stale(stored: NotebookNode, cells: list[NotebookNode]) -> bool:
    """Whether a stored notebook is not that of the script, or was never run."""
    same = [(cell.cell_type, cell.source) for cell in stored.cells] == [(cell.cell_type, cell.source) for cell in cells]
    return not same or not any(cell.get("outputs") for cell in stored.cells)


def main() -> int:
    """Write or check all notebooks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare and write nothing")
    check = parser.parse_args().check
    wrong = 0
    for stem in NOTEBOOKS:
        path, cells = ROOT / "docs" / "notebooks" / f"{stem}.ipynb", cells_of(ROOT / "examples" / f"{stem}.py")
        if check:
            if stale(nbformat.read(path, as_version=4), cells):
                wrong += 1
                print(f"{path.name} is not examples/{stem}.py: run python docs/make_notebooks.py", file=sys.stderr)
            continue
        text = nbformat.writes(executed(cells)) + "\n"
        if len(text) > LARGEST:
            raise SystemExit(f"{path.name} has {len(text)} bytes, more than {LARGEST}")
        path.write_text(text)
        print(path.name, len(text), "bytes")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
