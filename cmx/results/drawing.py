"""Charts as files: PNG and SVG drawn by vl-convert without a browser, or one HTML page that needs no network.

vl-convert is an optional extra of cmx: ``pip install 'cmx-bench[plot]'``.
"""

from __future__ import annotations

import html
import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cmx.errors import StoreError, UsageError, nearest
from cmx.files import refuse_folder, write_atomically
from cmx.results.charts import Spec

FORMS = ("html", "png", "svg")
LINE = 130
"""How many characters of a subtitle the width of a chart holds."""
_SCALE = 2.0
_REMEDY = "python -m pip install 'cmx-bench[plot]'"


class Page(NamedTuple):
    """What an HTML page says around its charts: a heading, lines below it, and sources at its end."""

    title: str
    lines: Sequence[str] = ()
    sources: Sequence[str] = ()


def form_of(path: Path) -> str:
    """One of FORMS, by a file's ending. Raises UsageError for another, and for a folder."""
    refuse_folder(path, "chart.png")
    form = path.suffix.lstrip(".").lower()
    if form not in FORMS:
        raise UsageError(
            f"{path}: cannot draw as {form!r}: the forms are {', '.join(FORMS)}", hint=nearest(form, FORMS)
        )
    return form


def draw(specs: Sequence[Spec], path: Path, page: Page) -> None:
    """Write charts to a file by its ending, all or nothing; a picture holds them below each other.

    Raises UsageError for another ending or where vl-convert is not installed, StoreError when it cannot be written.
    """
    form = form_of(path)
    drawn_by = converter()
    content: str | bytes
    if form == "html":
        content = _html(drawn_by, specs, page)
    else:
        whole = specs[0] if len(specs) == 1 else _below(specs)
        whole = _with_sources(whole, page.sources)
        content = drawn_by.vegalite_to_svg(whole) if form == "svg" else drawn_by.vegalite_to_png(whole, scale=_SCALE)
    try:
        write_atomically(path, content)
    except (StoreError, OSError) as error:
        raise StoreError(str(error), hint="name a file in a folder that you may write to, with room for it") from error


def converter() -> Any:
    """The module vl_convert. Raises UsageError, naming the command that installs it, where it is not there."""
    try:
        import vl_convert
    except ImportError as error:
        raise UsageError("drawing needs vl-convert, which is not installed here", hint=_REMEDY) from error
    return vl_convert


def _below(specs: Sequence[Spec]) -> Spec:
    charts = [{key: value for key, value in spec.items() if key != "config"} for spec in specs]
    own = dict.fromkeys(("color", "shape", "strokeDash"), "independent")
    return {"vconcat": charts, "config": specs[0]["config"], "resolve": {"scale": own}}


def _with_sources(spec: Spec, sources: Sequence[str]) -> Spec:
    """The citation inside of the picture, since pictures are passed on without their page."""
    if not sources or "title" not in spec:
        return spec
    title = spec["title"]
    sources = [line for source in sources for line in textwrap.wrap(source, LINE)]
    return {**spec, "title": {**title, "subtitle": [*title["subtitle"], *sources]}}


# What the page may do: run its own script and style, and nothing that leaves it.
_POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"
_STYLE = """
body { font-family: system-ui, "DejaVu Sans", Helvetica, Arial, sans-serif; margin: 2rem auto; max-width: 62rem;
  padding: 0 1rem; color: #222; background: white; }
h1 { font-size: 1.5rem; } p { line-height: 1.45; } .chart { margin: 2rem 0; overflow-x: auto; }
.sources { color: #555; font-size: .85rem; border-top: 1px solid #ddd; padding-top: .6rem; }
"""
_SCRIPT = """
const options = {mode: "vega-lite", actions: {export: true, source: false, compiled: false, editor: false}};
document.querySelectorAll("script[type='application/json']").forEach((holder) => {
  const spec = JSON.parse(holder.textContent);
  const many = spec.layer.some((layer) => layer.data.values.length > 1000);
  vegaEmbed(holder.nextElementSibling, spec, {...options, renderer: many ? "canvas" : "svg"});
});
"""


def _html(drawn_by: Any, specs: Sequence[Spec], page: Page) -> str:
    """Every text of the page is escaped, the charts' too: some were written by strangers."""
    library = drawn_by.javascript_bundle()
    charts = "\n".join(
        f'<script type="application/json">{_embedded(spec)}</script><div class="chart"></div>' for spec in specs
    )
    lines = "\n".join(f"<p>{html.escape(line)}</p>" for line in page.lines)
    sources = "\n".join(f'<p class="sources">{html.escape(source)}</p>' for source in page.sources)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(_POLICY)}">\n'
        f'<meta name="viewport" content="width=device-width"><title>{html.escape(page.title)}</title>\n'
        f"<style>{_STYLE}</style></head>\n<body>\n<h1>{html.escape(page.title)}</h1>\n{lines}\n{charts}\n{sources}\n"
        f"<script>{library}</script>\n<script>{_SCRIPT}</script>\n</body></html>\n"
    )


def _embedded(spec: Spec) -> str:
    """A chart as JSON that cannot end the script element that it lies in."""
    text = json.dumps(spec, ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
