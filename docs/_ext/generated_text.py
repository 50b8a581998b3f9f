"""Directives for text that the project itself has: the help of the command line, and the list of examples."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from vqe_prune.__main__ import USAGE, _choices

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


class CommandHelp(SphinxDirective):
    """``command-help``: the help of the command line."""

    def run(self) -> list[nodes.Node]:
        """Return it as one block."""
        text = USAGE.format(**_choices())
        return [nodes.literal_block(text, text, language="text")]


class ExampleList(SphinxDirective):
    """``example-list``: name and first sentence of every example."""

    def run(self) -> list[nodes.Node]:
        """Return a list with one item a script."""
        items = []
        for path in sorted(EXAMPLES.glob("*.py")):
            self.env.note_dependency(str(path))
            text = (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()[0]
            paragraph = nodes.paragraph("", "", nodes.literal(text=path.name), nodes.Text(f": {text}"))
            items.append(nodes.list_item("", paragraph))
        return [nodes.bullet_list("", *items)]


def setup(app: Any) -> dict[str, bool]:
    """Add the directives."""
    app.add_directive("command-help", CommandHelp)
    app.add_directive("example-list", ExampleList)
    return {"parallel_read_safe": True}
