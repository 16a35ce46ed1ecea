"""The picture of `bench-growth`: what one more costs beside what it cost at once the data, both axes logarithmic, as SVG."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

FILE = Path(__file__).parents[2] / "docs" / "growth.svg"
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 760, 360, 60, 330, 30, 50
_LEAST, _MOST = 0.5, 32.0
_COLORS = ("#1d4ed8", "#b91c1c", "#047857", "#7c3aed", "#b45309", "#0e7490", "#4b5563")
_APART = 18
"""Of two labels, at least."""


def svg(lines: Mapping[str, Sequence[float]], times: Sequence[int]) -> str:
    """A line for each, by its ratios at these sizes; what lies outside of the picture is drawn at its edge, and its label says it."""
    drawn = [
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        _text(_LEFT, 18, "cost of one more, beside its cost at 1 times the data (1 = flat)"),
    ]
    for ratio in (0.5, 1, 2, 4, 8, 16, 32):
        drawn.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{_y(ratio):.1f}" y2="{_y(ratio):.1f}" stroke="#d1d5db" '
            f'stroke-width="{2 if ratio == 1 else 1}"/>'
        )
        drawn.append(_text(_LEFT - 8, _y(ratio) + 4, f"{ratio:g}", anchor="end"))
    drawn += [_text(_x(many, times), _HEIGHT - 22, f"{many}x", anchor="middle") for many in times]
    ends = sorted(lines.items(), key=lambda one: one[1][-1], reverse=True)
    label = float(_TOP - _APART)
    for place, (name, ratios) in enumerate(ends):
        color = _COLORS[place % len(_COLORS)]
        points = " ".join(f"{_x(many, times):.1f},{_y(ratio):.1f}" for many, ratio in zip(times, ratios, strict=True))
        label = max(label + _APART, _y(ratios[-1]) - _APART * (len(ends) - 1 - place) / 2)
        drawn.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"/>')
        drawn.append(
            f'<line x1="{_WIDTH - _RIGHT}" y1="{_y(ratios[-1]):.1f}" x2="{_WIDTH - _RIGHT + 10}" y2="{label:.1f}" stroke="{color}"/>'
        )
        drawn.append(_text(_WIDTH - _RIGHT + 14, label + 4, f"{ratios[-1]:.1f}  {name}", color=color))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" font-family="sans-serif" font-size="13">'
        "<title>What one more costs as the data grows</title>\n" + "\n".join(drawn) + "\n</svg>\n"
    )


def write(lines: Mapping[str, Sequence[float]], times: Sequence[int]) -> None:
    """Into the docs."""
    FILE.write_text(svg(lines, times), encoding="utf-8")


def _x(many: int, times: Sequence[int]) -> float:
    return _LEFT + (_WIDTH - _RIGHT - _LEFT) * math.log(many / times[0]) / math.log(times[-1] / times[0])


def _y(ratio: float) -> float:
    share = math.log(min(max(ratio, _LEAST), _MOST) / _LEAST) / math.log(_MOST / _LEAST)
    return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * share


def _text(x: float, y: float, words: str, *, anchor: str = "start", color: str = "#111827") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}">{escape(words)}</text>'
