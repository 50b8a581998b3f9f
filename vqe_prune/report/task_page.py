"""The page of a task: one self-contained HTML file, for phone and desk, light and dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from vqe_prune.report.layout import figure, page, table
from vqe_prune.report.task_table import task_header, task_rows
from vqe_prune.run_folder import write_atomically

Content = Mapping[str, Any]


def write_task_page(folder: Path, content: Content, command: str, figures: Sequence[tuple[str, str, str]]) -> None:
    """Write report.html.

    Args:
        folder: Of the task.
        content: Of its record.json.
        command: What to type to repeat it.
        figures: Title, SVG and caption of each picture.

    """
    name = str(content["name"])
    n = len(content["runs"])
    facts = "".join(f"<li>{escape(line)}</li>" for line in content["facts"]["lines"])
    parts = ", ".join(f"{package} {number}" for package, number in content["versions"].items())
    heading = "Models" if content["task"] == "ctr" else "Circuits"
    over = f"Mean and standard deviation over {n} seeds." if n > 1 else "One seed."
    sections = [
        f"<h1>{escape(name)}</h1>",
        f"<ul>{facts}</ul>",
        f"<h2>{heading}</h2>{table(task_header(content), task_rows(content), name=heading)}<p>{over}</p>",
        *(figure(title, picture, caption) for title, picture, caption in figures),
        f'<h2>How it was made</h2><pre class="command">{escape(command)}</pre>'
        f"<p>{escape(parts)}; {content['seconds']:.1f} s.</p>",
    ]
    write_atomically(folder / "report.html", page(name, sections))
