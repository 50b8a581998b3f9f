"""Pages of the API reference, written from the public names of the package, and plain-text docstrings made safe."""

from __future__ import annotations

import builtins
import importlib
import inspect
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

import vqe_prune

TOPICS = {
    "Problems": ("chemistry", "electrons", "problem", "qubit_problem", "fcidump", "alignment", "other_states"),
    "Spin models and lattices": ("lattice", "models", "paulis"),
    "Symmetries": ("symmetry", "automorphism"),
    "Ansätze": ("ansatz", "starts", "adapt"),
    "Energies and optimisation": ("objective", "optimize", "training", "engine"),
    "Pruning": ("prune",),
    "Scores": ("score",),
    "States and properties": ("observables", "subspace", "deflation", "spectrum", "forces", "geometry"),
    "Circuits and encodings": ("circuit", "encoding"),
    "Other programs": ("excitation_lists", "openfermion_operators"),
    "Devices": ("hardware", "measure", "noisy_energy"),
    "Studies and records": ("study", "config", "report", "errors"),
}
"""Topics and the modules, or packages, whose names they hold; names of other modules stand under the last one."""

OTHER = "Further names"
FOLDER = Path(__file__).parent.parent / "reference" / "api"
ARRAY = re.compile(r"~?numpy\.ndarray\[tuple\[~?(?:typing\.)?Any, \.\.\.\], ~?numpy\.dtype\[~?(?:numpy\.)?(\w+)\]\]")
MARKUP = re.compile(r"(``.*?``|`[^`\n]+`)|([|*])|(\w_)(?=\W|$)", re.DOTALL)


def topic_of(name: str) -> str:
    """The topic of a public name, by the module that it lives in."""
    module = vqe_prune._HOMES[name]
    for topic, modules in TOPICS.items():
        if any(module == each or module.startswith(f"{each}.") for each in modules):
            return topic
    return OTHER


def write_pages(app: Any) -> None:
    """Write one page a topic, and the index that lists them; pages that did not change are left alone."""
    names: dict[str, list[str]] = defaultdict(list)
    for name in vqe_prune.__all__:
        names[topic_of(name)].append(name)
    FOLDER.mkdir(exist_ok=True)
    pages = {"index": _index(sorted(names, key=[*TOPICS, OTHER].index))}
    pages |= {_stem(topic): _page(topic, found) for topic, found in names.items()}
    for stem, text in pages.items():
        path = FOLDER / f"{stem}.rst"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    for path in FOLDER.glob("*.rst"):
        if path.stem not in pages:
            path.unlink()


def _stem(topic: str) -> str:
    return topic.lower().replace(" ", "-").replace("ä", "ae")


def _title(text: str) -> str:
    return f"{text}\n{'=' * len(text)}\n\n"


def _index(topics: list[str]) -> str:
    lead = (
        "Every public name, ``import vqe_prune as vp`` and then ``vp.NAME``, by topic. Modules below are private.\n\n"
    )
    return _title("Python API") + lead + ".. toctree::\n\n" + "".join(f"   {_stem(topic)}\n" for topic in topics)


def _page(topic: str, names: list[str]) -> str:
    text = _title(topic) + ".. currentmodule:: vqe_prune\n\n"
    text += ".. autosummary::\n   :nosignatures:\n\n" + "".join(f"   {name}\n" for name in names) + "\n"
    for name in names:
        value = getattr(vqe_prune, name)
        if not inspect.isclass(value):
            text += f".. autofunction:: {name}\n\n"
        else:
            text += f".. autoclass:: {name}\n   :members:\n\n"
    return text


def escape_markup(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Escape what plain text, such as |dE| <= 2 ||H - c||, would mean in reStructuredText; code stays as it is."""
    for k, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            lines[k] = MARKUP.sub(
                lambda found: found[1] or "\\" * bool(found[2]) + (found[2] or found[3][0] + "\\_"), line
            )


def keep_properties(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Give a property its text back: napoleon takes what stands before a colon in it for a type."""
    if what == "property":
        lines[:] = [*(inspect.getdoc(value) or "").splitlines(), ""]
        escape_markup(app, what, name, value, options, lines)


def shorten_arrays(app: Any, what: str, name: str, value: Any, options: Any, signature: str, returns: str) -> Any:
    """Write NDArray[float64] as the code does, where autodoc writes what that stands for."""
    texts = [text and ARRAY.sub(r"NDArray[\1]", text) for text in (signature, returns)]
    return texts[0], texts[1]


def resolve(app: Any, env: Any, node: Any, content: Any) -> Any:
    """Lead names of private modules to their public ones; let what exists but has no page stand as code.

    What is left unresolved is a warning: a name in a signature that cannot be imported, or in a page that is wrong.
    """
    target = str(node.get("reftarget", ""))
    parts = target.split(".")
    for k in range(len(parts)):
        if parts[k] in vqe_prune._HOMES:
            domain, name = env.domains["py"], ".".join(["vqe_prune", *parts[k:]])
            if name != target and name in domain.objects:
                return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", name, node, content)
    quiet = node.get("refdomain") == "py" and (node.get("reftype") == "obj" or _exists(target))
    return content if quiet else None


def _exists(target: str) -> bool:
    """Whether a dotted name can be imported, or is that of something in the package."""
    module, _, name = target.rpartition(".")
    if not module:
        return any(hasattr(each, name) for each in (builtins, np, *_package()))
    try:
        return hasattr(importlib.import_module(module), name)
    except ImportError:
        return _exists(module) if "." in module else False


def _package() -> list[Any]:
    return [module for name, module in sys.modules.items() if name.startswith("vqe_prune.")]


def setup(app: Any) -> dict[str, bool]:
    """Hook into a build: before napoleon (priority 500) reads sections."""
    app.connect("builder-inited", write_pages, priority=400)
    app.connect("autodoc-process-docstring", escape_markup, priority=400)
    app.connect("autodoc-process-docstring", keep_properties, priority=600)
    app.connect("autodoc-process-signature", shorten_arrays)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True}
