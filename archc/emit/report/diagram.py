"""The diagram inside the page: Graphviz's SVG, whose boxes know their figures and their source."""

from __future__ import annotations

from xml.etree import ElementTree

from ...graph import Graph
from .. import dot
from ..dot import Picture
from .figures import Figures
from .html import Html, tag

SVG = "http://www.w3.org/2000/svg"
MOST_BOXES = 1500
"""A larger diagram takes Graphviz minutes, and readers longer."""


def diagrams(graph: Graph, figures: Figures) -> list[tuple[str, Html]]:
    """Name and drawing of each view: folded, and unfolded where that shows more."""
    folded, picture = dot.drawn(graph, figures.report, unfold=False)
    unfolded, opened = dot.drawn(graph, figures.report, unfold=True)
    views = [("folded", _view(folded, picture, figures))]
    if unfolded != folded:
        views.append(("unfolded", _view(unfolded, opened, figures)))
    return views


def _view(text: str, picture: Picture, figures: Figures) -> Html:
    """The SVG of a diagram, for a page: no ids, no titles, boxes as links."""
    if len(picture.boxes) > MOST_BOXES:
        return tag("p", f"{len(picture.boxes):,} boxes are too many for a page.", class_="hint")
    try:
        root = ElementTree.fromstring(dot.render(text, "svg"))
    except dot.LayoutError as error:
        return tag("p", f"{error}.", class_="hint")
    for element in root.iter():
        element.attrib.pop("id", None)
    graph = root.find(f"{{{SVG}}}g")
    assert graph is not None  # Graphviz puts everything in one group
    for group in list(graph):
        title = group.find(f"{{{SVG}}}title")
        if title is not None:
            group.remove(title)
        if group.tag == f"{{{SVG}}}title":
            graph.remove(group)
        elif title is not None and group.get("class") == "node":
            number = int((title.text or "n0")[1:])
            graph[list(graph).index(group)] = _linked(group, picture, number, figures)
    # Its size is the page's business.
    root.attrib.pop("width", None)
    root.attrib.pop("height", None)
    root.set("role", "img")
    root.set("aria-label", f"diagram of {figures.report.name}")
    ElementTree.register_namespace("", SVG)
    return Html(ElementTree.tostring(root, encoding="unicode"))


def _linked(
    group: ElementTree.Element, picture: Picture, number: int, figures: Figures
) -> ElementTree.Element:
    """A box as a link to its line."""
    box = picture.boxes[number]
    title = " ".join(part for part in (box.title, *box.lines) if part)
    group.set("data-tip", figures.tip_of_paths(title, box.paths))
    row = next((figures.rows[path] for path in box.paths if path in figures.rows), None)
    anchor = figures.anchor(row.site) if row is not None else None
    if anchor is None:
        return group
    link = ElementTree.Element(f"{{{SVG}}}a", {"href": f"#{anchor}", "data-line": anchor})
    link.set("aria-label", title)
    link.append(group)
    return link
