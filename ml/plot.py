"""Line charts as SVG text: a few lines, dots and bands need no library, and are the same bytes everywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 640, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 40, 48
_FONT = "font-family='sans-serif' font-size='12' fill='#333'"
_TICK = 5
BLUE, ORANGE, GREEN, RED, GREY = "#1f5fbf", "#d9822b", "#3a8f4d", "#b83232", "#888888"

Span = tuple[float, float]
Ticks = Sequence[tuple[float, str]]


class Chart:
    """One pair of axes; what is drawn first lies below. `text` returns the whole file.

    legend_at: how far up the legend begins, 1 is the top.
    """

    def __init__(
        self, title: str, across: Span, up: Span, labels: tuple[str, str], *, legend_at: float = 1.0
    ) -> None:
        self._across = _scale(across, (_LEFT, _WIDTH - _RIGHT))
        self._up = _scale(up, (_HEIGHT - _BOTTOM, _TOP))
        self._parts: list[str] = []
        self._labels = 0
        self._legend = _HEIGHT - _BOTTOM - legend_at * (_HEIGHT - _BOTTOM - _TOP)
        self._text(_WIDTH / 2, 20, title, "middle", "font-weight='bold'")
        self._text(_WIDTH / 2, _HEIGHT - 8, labels[0], "middle")
        middle = (_TOP + _HEIGHT - _BOTTOM) / 2
        self._text(14, middle, labels[1], "middle", f"transform='rotate(-90 14 {middle:.1f})'")

    def axes(self, across: Ticks, up: Ticks) -> None:
        """Draw the frame, with ticks at values, each with its text."""
        low, high = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
        for value, text in across:
            at = self._across(value)
            self._stroke(f"M{at:.1f} {low}v{_TICK}", GREY)
            self._text(at, low + 18, text, "middle")
        for value, text in up:
            at = self._up(value)
            self._stroke(f"M{_LEFT} {at:.1f}H{high}", "#e4e4e4")
            self._text(_LEFT - 8, at + 4, text, "end")
        self._stroke(f"M{_LEFT} {_TOP}V{low}H{high}", GREY)

    def line(
        self, xs: Sequence[float], ys: Sequence[float], colour: str, label: str = "", *, dashed: bool = False
    ) -> None:
        """Draw a line through the points."""
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in self._places(xs, ys))
        self._stroke(path, colour, "stroke-width='2'" + (" stroke-dasharray='5 4'" if dashed else ""))
        self._label(label, colour)

    def dots(self, xs: Sequence[float], ys: Sequence[float], colour: str, label: str = "") -> None:
        """Draw a dot at each of the points."""
        self._parts += [
            f"<circle cx='{x:.1f}' cy='{y:.1f}' r='4' fill='{colour}'/>" for x, y in self._places(xs, ys)
        ]
        self._label(label, colour)

    def band(
        self,
        xs: Sequence[float],
        low: Sequence[float],
        high: Sequence[float],
        colour: str,
        label: str,
        shade: float,
    ) -> None:
        """Fill between two lines; what lies below shines through. `shade`: how dark its legend is, 0 to 1."""
        around = [*self._places(xs, low), *reversed(self._places(xs, high))]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in around) + "Z"
        self._parts.append(f"<path d='{path}' fill='{colour}' fill-opacity='0.25'/>")
        self._label(label, colour, shade)

    def text(self) -> str:
        """Return the chart as an SVG file."""
        return (
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {_HEIGHT}' "
            f"width='{_WIDTH}' height='{_HEIGHT}'>\n<rect width='100%' height='100%' fill='white'/>\n"
            + "\n".join(self._parts)
            + "\n</svg>\n"
        )

    def _places(self, xs: Sequence[float], ys: Sequence[float]) -> list[tuple[float, float]]:
        return [(self._across(x), self._up(y)) for x, y in zip(xs, ys, strict=True)]

    def _stroke(self, path: str, colour: str, more: str = "") -> None:
        self._parts.append(f"<path d='{path}' fill='none' stroke='{colour}' {more}/>")

    def _text(self, x: float, y: float, text: str, anchor: str, more: str = "") -> None:
        self._parts.append(
            f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' {_FONT} {more}>{escape(text)}</text>"
        )

    def _label(self, label: str, colour: str, shade: float = 1.0) -> None:
        """Name what was drawn, below the names before."""
        if label:
            y = self._legend + 12 + 16 * self._labels
            self._parts.append(
                f"<rect x='{_LEFT + 10}' y='{y - 9:.1f}' width='10' height='10' fill='{colour}' "
                f"fill-opacity='{shade}'/>"
            )
            self._text(_LEFT + 26, y, label, "start")
            self._labels += 1


def _scale(values: Span, pixels: Span) -> Callable[[float], float]:
    (low, high), (start, end) = values, pixels
    return lambda value: start + (value - low) / (high - low) * (end - start)
