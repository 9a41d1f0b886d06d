"""A picture of one run, or of several one below the other on the same scales, as SVG.

This file answers for a text that is the same for the same histories, and for a picture that can be read without
colours: each line has a dash of its own. It must never name anything that is not in a history.
"""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from adapters.config.units import shown_span
from core.policies import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from scenarios.picture.history import History, Shade

_WIDTH: Final = 960
_LEFT: Final = 70
_RIGHT: Final = 20
_PLOT: Final = _WIDTH - _LEFT - _RIGHT
# Heights: of a run's heading, of its two charts, and of what lies between.
_HEADING: Final = 46
_RATES: Final = 150
_WAITING: Final = 70
_BETWEEN: Final = 18
_AXIS: Final = 44
_PANEL: Final = _HEADING + _RATES + _BETWEEN + _WAITING + _AXIS
_TICKS: Final = 4
_INSTANTS: Final = 10

_LINES: Final = (
    ("arrived", "arrivals", "#5b6770", "2 3"),
    ("tried", "attempts", "#c4511d", "6 3"),
    ("delivered", "deliveries", "#1a6fb0", "none"),
)
_AREA: Final = ("waiting", "#8a6bbf")
_SHADE: Final = "#f6c9c0"
_GONE: Final = "#3c3c3c"
_TICKS_US: Final = (
    *(SECOND_US, 2 * SECOND_US, 5 * SECOND_US, 10 * SECOND_US, 30 * SECOND_US),
    *(MINUTE_US, 2 * MINUTE_US, 5 * MINUTE_US, 10 * MINUTE_US, 30 * MINUTE_US),
    *(HOUR_US, 2 * HOUR_US, 6 * HOUR_US, 12 * HOUR_US, DAY_US, 2 * DAY_US, 7 * DAY_US),
)


def drawn(histories: Sequence[History]) -> str:
    """The whole picture."""
    assert histories, "a picture shows at least one run"
    most = max(1, *(value for one in histories for line in _LINES for value in getattr(one, line[0])))
    most_waiting = max(1, *(value for one in histories for value in one.waiting))
    height = _PANEL * len(histories) + 10
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12" role="img">',
        f"<title>{escape('; '.join(one.title for one in histories))}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for number, history in enumerate(histories):
        lines += _panel(history, number * _PANEL, most, most_waiting)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _panel(history: History, top: int, most: int, most_waiting: int) -> Iterator[str]:
    yield f'<text x="{_LEFT}" y="{top + 18}" font-size="14" font-weight="bold">{escape(history.title)}</text>'
    yield from _legend(top + 36)
    rates, waiting = top + _HEADING, top + _HEADING + _RATES + _BETWEEN
    for at, height in ((rates, _RATES), (waiting, _WAITING)):
        yield from _shades(history, at, height)
    yield from _scale(rates, _RATES, most, f"per {shown_span(history.step_us)}")
    for name, _, colour, dash in _LINES:
        points = _steps(getattr(history, name), rates, _RATES, most)
        yield (
            f'<polyline class="{name}" points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"'
            f' stroke-dasharray="{dash}"/>'
        )
    yield from _scale(waiting, _WAITING, most_waiting, "waiting")
    bottom = waiting + _WAITING
    area = f"{_LEFT},{bottom} {_steps(history.waiting, waiting, _WAITING, most_waiting)} {_LEFT + _PLOT},{bottom}"
    name, colour = _AREA
    yield f'<polygon class="{name}" points="{area}" fill="{colour}" fill-opacity="0.45" stroke="{colour}"/>'
    yield from _instants(history, bottom)


def _legend(y: int) -> Iterator[str]:
    x = _LEFT
    for _, words, colour, dash in _LINES:
        yield f'<line x1="{x}" y1="{y - 4}" x2="{x + 26}" y2="{y - 4}" stroke="{colour}" stroke-dasharray="{dash}"/>'
        yield f'<text x="{x + 32}" y="{y}">{words}</text>'
        x += 120
    yield f'<rect x="{x}" y="{y - 10}" width="26" height="11" fill="{_SHADE}"/>'
    yield f'<text x="{x + 32}" y="{y}">the other side fails</text>'
    x += 170
    yield f'<line x1="{x}" y1="{y - 12}" x2="{x}" y2="{y + 2}" stroke="{_GONE}" stroke-dasharray="4 2"/>'
    yield f'<text x="{x + 8}" y="{y}">the daemon is gone</text>'


def _shades(history: History, top: int, height: int) -> Iterator[str]:
    for shade in history.shades:
        since, until = _x(history, shade.since_us), _x(history, shade.until_us)
        if until > since:
            yield (
                f'<rect class="outage" x="{since:.1f}" y="{top}" width="{until - since:.1f}" height="{height}"'
                f' fill="{_SHADE}" fill-opacity="0.6"><title>{_told(shade)}</title></rect>'
            )
    for gone in history.gone:
        at = _x(history, gone.since_us)
        yield (
            f'<line class="gone" x1="{at:.1f}" y1="{top}" x2="{at:.1f}" y2="{top + height}" stroke="{_GONE}"'
            f' stroke-dasharray="4 2"><title>{_told(gone)}</title></line>'
        )


def _told(shade: Shade) -> str:
    since, until = shade.since_us // SECOND_US, shade.until_us // SECOND_US
    return escape(f"{shade.words} from {since} s to {until} s")


def _scale(top: int, height: int, most: int, words: str) -> Iterator[str]:
    step = _round_step(most)
    for value in range(0, most + 1, step):
        y = top + height - height * value / most
        yield f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_LEFT + _PLOT}" y2="{y:.1f}" stroke="#dddddd"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value}</text>'
    middle = top + height / 2
    yield (
        f'<text x="16" y="{middle:.1f}" text-anchor="middle" transform="rotate(-90 16 {middle:.1f})">'
        f"{escape(words)}</text>"
    )


def _instants(history: History, bottom: int) -> Iterator[str]:
    whole_us = history.step_us * len(history.arrived)
    step_us = next((step for step in _TICKS_US if whole_us <= step * _INSTANTS), -(-whole_us // _INSTANTS))
    for at_us in range(0, whole_us + 1, step_us):
        x = _x(history, at_us)
        yield f'<line x1="{x:.1f}" y1="{bottom}" x2="{x:.1f}" y2="{bottom + 5}" stroke="#333333"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 19}" text-anchor="middle">{shown_span(at_us)}</text>'
    yield f'<text x="{_LEFT + _PLOT}" y="{bottom + 36}" text-anchor="end">since the start</text>'


def _x(history: History, at_us: int) -> float:
    whole_us = history.step_us * len(history.arrived)
    return _LEFT + _PLOT * min(1.0, max(0.0, at_us / whole_us))


def _steps(values: Sequence[int], top: int, height: int, most: int) -> str:
    """The corners of a line that stays at each value for the length of its step; what stays equal needs no corner."""
    corners: list[tuple[float, float]] = []
    for place, value in enumerate(values):
        y = top + height - height * value / most
        corners += [(_LEFT + _PLOT * place / len(values), y), (_LEFT + _PLOT * (place + 1) / len(values), y)]
    neighbours = zip(corners, corners[1:], corners[2:], strict=False)
    turns = [here for before, here, after in neighbours if not before[1] == here[1] == after[1]]
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in [corners[0], *turns, corners[-1]])


def _round_step(most: int) -> int:
    """A step of 1, 2 or 5 times a power of ten that divides a scale into few parts."""
    size = 1
    while True:
        for factor in (1, 2, 5):
            if most <= factor * size * _TICKS:
                return factor * size
        size *= 10
