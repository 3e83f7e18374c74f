"""What a browser would send of a form in a page, without pressing a button."""

from __future__ import annotations

from html.parser import HTMLParser


class _Forms(HTMLParser):
    """The fields of each form of a page, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, list[str]]] = []
        self._area: str | None = None
        self._select: str | None = None
        self._text = ""
        self._options: list[tuple[str, bool]] = []
        self._option: tuple[str | None, bool] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "form":
            self.forms.append({})
        elif tag == "input" and name and self.forms:
            is_choice = given.get("type") in ("checkbox", "radio")
            if not is_choice or "checked" in given:
                self._put(name, given.get("value", "on" if is_choice else ""))
        elif tag == "textarea":
            self._area, self._text = name, ""
        elif tag == "select":
            self._select, self._options = name, []
        elif tag == "option" and self._select:
            self._option, self._text = (given.get("value"), "selected" in given), ""

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._area:
            self._put(self._area, self._text.removeprefix("\n"))
            self._area = None
        elif tag == "option" and self._option is not None:
            value, is_selected = self._option
            self._options.append((self._text if value is None else value, is_selected))
            self._option = None
        elif tag == "select" and self._select:
            chosen = [value for value, is_selected in self._options if is_selected]
            if chosen or self._options:
                self._put(self._select, chosen[0] if chosen else self._options[0][0])
            self._select = None

    def _put(self, name: str, value: str) -> None:
        self.forms[-1].setdefault(name, []).append(value)


def fields_of(html: str, having: str = "version") -> dict[str, list[str]]:
    """The fields of the first form that has a field named ``having``."""
    parser = _Forms()
    parser.feed(html)
    return next(form for form in parser.forms if having in form)
