"""Whether report.html fits phone and desk, light and dark, in Chromium: sideways scrolling, contrast of text, size.

Needs chromium, google-chrome or chrome in the path; without one it says so and claims nothing. The control is a page
with one line that is too wide and too pale: it must be found.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cases import parse_arguments, show, verdict

from vqe_prune.__main__ import main as command_line

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
RUNS = {
    "LiH": ["molecule=LiH"],
    "H2O, lie": ["molecule=H2O", "pruner=lie"],
    "LiH, excited": ["molecule=LiH", "excited=3"],
    "LiH, willow_pink": ["molecule=LiH", "device=willow_pink", "pruner.orbitals=optimise"],
    "N2, 91 rotations": ["molecule=N2"],
    "TFIM 4": ["model=tfim", "model.n=4", "ansatz.layers=4", "training.seeds=2"],
    "H2, scan": ["study=scan", "molecule=H2", "scan.bond_length=[0.6,1.0,0.2]"],
}
WIDTHS = (360, 390, 1400)
SMALLEST_CONTRAST = 4.5
"""Level AA of WCAG 2.2 for small text."""

LARGEST_SIZE = 1.0
"""MiB of a page."""

CONTROL = "<p style='width: 3000px; color: #999; background: #fff'>too wide and too pale</p>"

CONTRAST = """(() => {
  const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = c => { const [r, g, b] = c.map(v => linear(v / 255));
                       return .2126 * r + .7152 * g + .0722 * b; };
  const parse = c => c.match(/[0-9.]+/g).map(Number);
  const ground = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
                        if (c.length < 4 || c[3] > 0) return c.slice(0, 3); } return [255, 255, 255]; };
  let worst = 99;
  for (const e of document.querySelectorAll("body *")) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) || !e.getClientRects().length) continue;
    if (["title", "desc", "STYLE"].includes(e.tagName) || e.classList.contains("on")) continue;
    const style = getComputedStyle(e), ink = e instanceof SVGElement ? style.fill : style.color;
    const pair = [light(parse(ink).slice(0, 3)), light(ground(e))].sort((a, b) => b - a);
    worst = Math.min(worst, (pair[0] + .05) / (pair[1] + .05));
  }
  return worst;
})()"""
"""Smallest contrast of text that is shown, letters in boxes of circuits left out: they are on marks, not on grounds."""


class Browser:
    """Chromium without a window, spoken to over two pipes.

    Args:
        program: Its path.

    """

    def __init__(self, program: str) -> None:
        inward, self._write = os.pipe()
        self._read, outward = os.pipe()
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe"]
        script = f'exec "$@" 3<&{inward} 4>&{outward}'  # the numbers that Chromium reads and writes
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", program, *options, f"--user-data-dir={self._profile.name}"],
            pass_fds=(inward, outward),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(inward)
        os.close(outward)
        self._buffer, self._count = b"", 0
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()
        self._profile.cleanup()

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            data = os.read(self._read, 1 << 16)
            if not data:
                raise SystemExit("the browser has gone")
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return what a method of the DevTools protocol answers."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (answer := self._message()).get("id") != self._count:
            pass
        if "error" in answer:
            raise SystemExit(f"{method}: {answer['error']}")
        return answer["result"]

    def open(self, page: Path, width: int, dark: bool) -> None:
        """Load a page in a window of a width."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Emulation.setEmulatedMedia", media="screen", features=scheme)
        self.call("Page.navigate", url=page.resolve().as_uri())
        while self._message().get("method") != "Page.loadEventFired":
            pass

    def value(self, expression: str) -> Any:
        """Return what an expression of the page is."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")


def measure(browser: Browser, name: str, page: Path) -> dict[str, Any]:
    """Return a page's row."""
    row: dict[str, Any] = {"case": name, "mib": page.stat().st_size / 2**20}
    contrasts = {}
    for width in WIDTHS:
        for dark in (False, True):
            browser.open(page, width, dark)
            browser.value("document.querySelectorAll('details').forEach(each => each.open = true)")
            row[f"wide_at_{width}"] = browser.value("document.documentElement.scrollWidth")
            contrasts.setdefault("dark" if dark else "light", []).append(browser.value(CONTRAST))
    return row | {f"contrast_{scheme}": min(values) for scheme, values in contrasts.items()}


def shortcomings(row: dict[str, Any]) -> list[str]:
    """Return what is wrong with a page."""
    sideways = [width for width in WIDTHS if row[f"wide_at_{width}"] > width]
    found = [f"{row['case']}: scrolls sideways at {width} pixels" for width in sideways]
    for scheme in ("light", "dark"):
        if row[f"contrast_{scheme}"] < SMALLEST_CONTRAST:
            found.append(f"{row['case']}: {scheme} text with a contrast of {row[f'contrast_{scheme}']:.2f}")
    return found + [f"{row['case']}: {row['mib']:.1f} MiB"] * (row["mib"] > LARGEST_SIZE)


def main() -> int:
    """Print the table; the status says whether every claim holds."""
    arguments = parse_arguments(__doc__)
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        print(f"no browser in the path ({', '.join(BROWSERS)}): nothing was measured")
        return 0
    with tempfile.TemporaryDirectory() as name, Browser(program) as browser:
        rows = []
        for k, (case, settings) in enumerate(RUNS.items()):
            folder = Path(name) / str(k)
            with contextlib.redirect_stdout(io.StringIO()):
                command_line([*settings, f"output_dir={folder}"])
            rows.append(measure(browser, case, folder / "report.html"))
        bad = Path(name) / "control.html"
        bad.write_text((Path(name) / "0" / "report.html").read_text().replace("<main>", "<main>" + CONTROL))
        control = measure(browser, "control", bad)
    show([*rows, control], as_json=arguments.json)
    failures = [text for row in rows for text in shortcomings(row)]
    return verdict(failures + ["the control: its faults are not found"] * (len(shortcomings(control)) < 4))


if __name__ == "__main__":
    sys.exit(main())
