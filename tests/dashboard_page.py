"""The dashboard's page, read as a browser would: its figures and texts, and what it would run or fetch."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"br", "hr", "img", "input", "link", "meta"}


@dataclass(frozen=True)
class Shown:
    """A cell as it is read, and the number behind it."""

    text: str
    value: float | None


@dataclass
class Page(HTMLParser):
    """What is on the page: cells by visual and row, figures with what they say, and every element's attributes."""

    source: str
    tables: dict[str, list[list[Shown]]] = field(default_factory=dict)
    heads: dict[str, list[Shown]] = field(default_factory=dict)
    feet: dict[str, list[Shown]] = field(default_factory=dict)
    figures: dict[str, list[Shown]] = field(default_factory=dict)
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []
        self._visual = ""
        self._cell: list[str] = []
        self._value: float | None = None
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.elements.append((tag, found))
        if tag not in _VOID:
            self._open.append(tag)
        if tag == "article":
            self._visual = found["id"]
            self.tables[self._visual] = []
        elif tag == "div" and "dl" in self._open:
            self._visual = found["id"]
        elif tag == "tr" and "tbody" in self._open:
            self.tables[self._visual].append([])
        elif tag in ("th", "td", "dd"):
            self._cell, self._value = [], None
        elif tag == "data":
            self._value = float(found["value"])

    def handle_endtag(self, tag: str) -> None:
        shown = Shown("".join(self._cell).strip(), self._value)
        if tag == "td" and "tfoot" in self._open:
            self.feet.setdefault(self._visual, []).append(shown)
        elif tag == "td":
            self.tables[self._visual][-1].append(shown)
        elif tag == "th":
            self.heads.setdefault(self._visual, []).append(shown)
        elif tag == "dd":
            self.figures.setdefault(self._visual, []).append(shown)
        assert self._open.pop() == tag, f"</{tag}> closes something else"

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self._cell.append(data)
        if data.strip() and "style" not in self._open:
            self.texts.append(data.strip())

    @property
    def text(self) -> str:
        """All that can be read."""
        return " ".join(self.texts)
