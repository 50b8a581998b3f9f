"""What pages are made of: style for phone, desk and paper, light and dark; tables, figures, sections with links."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from vqe_prune.report.pictures import COLOURS, GREY

LIGHT = {
    "page": "#ffffff", "panel": "#f4f6f9", "text": "#15191f", "soft": "#59626e", "line": "#d9dee5", "warn": "#8a4b00",
    "warned": "#fff4e0", "on": "#ffffff", "c0": "#1b68c4", "c1": "#b05500", "c2": "#0b7553", "c3": "#a02f7c",
    "c4": "#6a4fc7", "c5": "#766007",
}  # fmt: skip
DARK = {
    "page": "#12151a", "panel": "#1c2128", "text": "#e8ebef", "soft": "#a3adb9", "line": "#363e49", "warn": "#ffc46b",
    "warned": "#33270f", "on": "#10141a", "c0": "#6cb0ff", "c1": "#ffab5c", "c2": "#4fd0a0", "c3": "#f192d2",
    "c4": "#b9a8ff", "c5": "#d8c25c",
}  # fmt: skip
"""Colours by name: c0 to c5 are of curves and parameters, `on` of letters on them; all are read on page and panel."""


def _variables(palette: dict[str, str]) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in palette.items())


STYLE = (
    f":root {{ color-scheme: light dark; {_variables(LIGHT)} }}\n"
    f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {_variables(DARK)} }} }}\n"
    """* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; color: var(--text);
  background: var(--page); max-width: 66rem; margin: 0 auto; padding: 1.2rem 1rem 3rem; overflow-wrap: break-word; }
h1 { font-size: 1.45rem; line-height: 1.25; margin: .2rem 0 1rem; }
h2 { font-size: 1.15rem; line-height: 1.3; margin: 2.4rem 0 .7rem; scroll-margin-top: 1rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .5rem; }
a { color: var(--c0); }
nav { margin: 1rem 0 0; font-size: .9rem; line-height: 2; } nav a { white-space: nowrap; margin-right: .9rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.6rem, 1fr)); gap: .6rem; margin: 0; padding: 0;
  list-style: none; }
.cards li { background: var(--panel); border-radius: .6rem; padding: .6rem .8rem; }
.cards b { display: block; font-size: 1.25rem; line-height: 1.35; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.cards i { font-style: normal; color: var(--soft); font-weight: 400; }
.cards span { color: var(--soft); font-size: .85rem; }
.note, .warning { background: var(--panel); border-left: .25rem solid var(--line); border-radius: .3rem;
  padding: .5rem .8rem; margin: .8rem 0; }
.warning { background: var(--warned); border-color: var(--warn); } .warning strong { color: var(--warn); }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); column-gap: 2rem; }
.pair > * { min-width: 0; }
.scroll { overflow-x: auto; max-width: 100%; margin-bottom: 1rem; background:
  linear-gradient(to left, var(--page) 30%, transparent) right / 3rem 100% local no-repeat,
  linear-gradient(to left, var(--line), transparent) right / .8rem 100% scroll no-repeat; }
.scroll:focus-visible { outline: 2px solid var(--c0); outline-offset: 2px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { white-space: normal; vertical-align: bottom; font-weight: 600; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--page);
  padding-left: 0; }
th.text, td.text { text-align: left; white-space: normal; } td.text:last-child { min-width: 9rem; }
figure { margin: .6rem 0 1rem; } 
figcaption { font-size: .9rem; color: var(--soft); margin-top: .3rem; max-width: 46rem; }
svg { height: auto; display: block; }
svg text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem .8rem; }
dt { font-weight: 600; } dd { margin: 0; }
pre { overflow-x: auto; background: var(--panel); border-radius: .4rem; padding: .6rem .8rem; font-size: .85rem; }
pre.command { white-space: pre-wrap; overflow-wrap: anywhere; }
summary { cursor: pointer; margin: .6rem 0; color: var(--c0); }
.circuit { color: var(--text); max-width: 100%; margin-bottom: .6rem; } .circuit .wire { stroke: var(--line); }
.circuit text { font-size: 11px; fill: var(--text); text-anchor: middle; } .circuit .name { text-anchor: end; }
.circuit .soft { fill: var(--soft); } .circuit .p { font-size: 12px; font-weight: 700; fill: var(--k); }
.circuit .on { fill: var(--on); font-weight: 700; } .circuit .link { stroke: var(--k); stroke-width: 2.5; fill: none; }
.circuit .mark { fill: var(--k); } .circuit .ring { stroke: var(--k); stroke-width: 2; fill: var(--page); }
.k { --k: var(--soft); }
"""
    + "".join(f".k{k} {{ --k: var(--c{k}); }} " for k in range(len(COLOURS)))
    + """
.narrow { display: none; }
@media (max-width: 40rem) {
  table { font-size: .8rem; } th, td { padding: .25rem .4rem; } h1 { font-size: 1.25rem; }
  .cards b { font-size: 1.1rem; }
  .cards { grid-template-columns: 1fr 1fr; } .cards li:last-child:nth-child(odd) { grid-column: 1 / -1; }
  .narrow { display: block; } .broad { display: none; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .4rem; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 11pt; } nav, details:not([open]) { display: none; }
  figure, tr, .cards, .warning, .note { break-inside: avoid; } h2, h3 { break-after: avoid; }
  .scroll, pre { overflow: visible; } table { font-size: 9pt; }
}
"""
)
"""Of every page; colours are variables, so that pictures follow the page."""

PRETTY = {"<N>": "⟨N⟩", "<S_z>": "⟨S_z⟩", "<S^2>": "⟨S²⟩"}
"""Names of columns that a terminal may not be able to print."""

TITLES = re.compile(r"<h2>(.*?)</h2>")


def page(title: str, sections: Sequence[str], *, further_style: str = "", links_after: int = 1) -> str:
    """Return a whole page with links to its sections.

    Args:
        title: Plain text.
        sections: Markup; each ``<h2>`` in it gets an id of its own and a link.
        further_style: Rules that only this page needs.
        links_after: Before which of the sections the links stand.

    """
    names: dict[str, str] = {}

    def name(found: re.Match[str]) -> str:
        anchor = re.sub(r"[^a-z0-9]+", "-", re.sub("<[^>]*>|&[a-z]+;", "", found[1]).lower()).strip("-") or "part"
        while anchor in names:
            anchor += "-"
        names[anchor] = found[1]
        return f'<h2 id="{anchor}">{found[1]}</h2>'

    whole = [TITLES.sub(name, section) for section in sections if section]
    links = "".join(f'<a href="#{anchor}">{text}</a> ' for anchor, text in names.items())
    whole.insert(min(links_after, len(whole)), f'<nav aria-label="Sections">{links}</nav>' if len(names) > 2 else "")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title>'
        f"<style>{STYLE}{further_style}</style></head><body><main>\n" + "\n".join(whole) + "\n</main></body></html>\n"
    )


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    text_columns: Sequence[int] = (),
    name: str = "Table",
    links: Sequence[str] = (),
) -> str:
    """Return a table in a box of its own that scrolls, by keyboard too, where the window is narrow.

    Args:
        header: Texts.
        rows: Texts.
        text_columns: Columns that are words, not numbers: they start at the left and may have several lines.
        name: What a screen reader calls the box.
        links: Where the first cell of each row leads, none for plain text.

    """

    def kind(k: int) -> str:
        return ' class="text"' if k in text_columns else ""

    titles = (escape(PRETTY.get(cell, cell)) for cell in header)
    head = "".join(f'<th scope="col"{kind(k)}>{cell}</th>' for k, cell in enumerate(titles))
    shown = [[escape(cell) for cell in row] for row in rows]
    for row, link in zip(shown, links, strict=False):
        row[0] = f'<a href="{escape(link)}">{row[0]}</a>'
    body = "".join(
        "<tr>" + "".join(f"<td{kind(k)}>{cell}</td>" for k, cell in enumerate(row)) + "</tr>" for row in shown
    )
    return _box(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>", name)


def figure(title: str, picture: str, caption: str) -> str:
    """Return a picture with its caption, under a heading where it has a title; nothing where there is no picture."""
    if not picture:
        return ""
    heading = f"<h2>{escape(title)}</h2>" if title else ""
    name = title or caption.split(".")[0].split(":")[0]
    return f"{heading}<figure>{_box(themed(picture, name), name)}<figcaption>{escape(caption)}</figcaption></figure>"


def _box(content: str, name: str) -> str:
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(name)}">{content}</div>'


def themed(picture: str, name: str) -> str:
    """Return a picture of Matplotlib whose colours follow the page, with a name for screen readers."""
    numbers = {colour: f"var(--c{k}, {colour})" for k, colour in enumerate(COLOURS)}
    numbers[GREY] = f"var(--soft, {GREY})"
    picture = re.sub(
        r"(stroke|fill): ?(#[0-9a-f]{6})", lambda found: f"{found[1]}: {numbers.get(found[2], found[2])}", picture
    )
    picture = re.sub(r' id="[a-z0-9.]+_[0-9]+"', "", picture)  # of groups, the same in every picture
    return re.sub(r"<svg (?!role|class)", f'<svg role="img" aria-label="{escape(name)}" ', picture)


def pair(*parts: str) -> str:
    """Return sections beside each other where the window is wide, below each other where it is not."""
    shown = [part for part in parts if part]
    if len(shown) < 2:
        return "".join(shown)
    return '<div class="pair">' + "".join(f"<section>{part}</section>" for part in shown) + "</div>"


def cards(entries: Sequence[tuple[str, str, str]]) -> str:
    """Return the numbers that matter most: what each is called, what it was before (may be empty) and is now."""
    items = "".join(
        f"<li><b>{f'<i>{escape(before)} →</i> ' if before else ''}{escape(now)}</b><span>{escape(name)}</span></li>"
        for name, before, now in entries
    )
    return f'<ul class="cards">{items}</ul>'


def warning(text: str) -> str:
    """Return what must not be missed."""
    return f'<p class="warning"><strong>WARNING: {escape(text)}</strong></p>'


def note(text: str) -> str:
    """Return what is worth knowing."""
    return f'<p class="note"><strong>Note:</strong> {escape(text)}</p>'


def preformatted(text: str, name: str) -> str:
    """Return text whose columns are kept, in a box that scrolls."""
    return f'<pre role="region" tabindex="0" aria-label="{escape(name)}">{escape(text)}</pre>'
