"""Charts of the last hours as ECharts takes them; colours are names of the page's own, which the browser looks up."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from console.language import Texts
from settlement.dates import BUSINESS_ZONE
from settlement.statuses import ObligationStatus
from words.phrases import major

Sample: TypeAlias = Mapping[str, Any]
"""One point of a page's document, see pages/now.py."""
Chart: TypeAlias = dict[str, Any]

OWED = {ObligationStatus.OPEN, ObligationStatus.OVERDUE}
COLOURS = {
    "applied": "--chart-1",
    "declined": "--chart-2",
    "timer": "--chart-3",
    "duplicate": "--chart-6",
    "conflict": "--chart-4",
    "dead_lettered": "--chart-4",
}
SYMBOLS = {
    "applied": "circle",
    "declined": "triangle",
    "timer": "diamond",
    "duplicate": "rect",
    "conflict": "pin",
    "dead_lettered": "arrow",
}
"""A series is told by its shape too, not by colour alone."""


def lag(samples: Sequence[Sample], texts: Texts) -> Chart | None:
    """Seconds behind over time."""
    if not samples:
        return None
    seconds = [round(each["seconds"], 1) for each in samples]
    return _chart([each["at"] for each in samples], {texts("chart_lag"): seconds}, ["--chart-1"])


def inputs(minutes: Sequence[Sample], texts: Texts) -> Chart | None:
    """Records a minute by what became of them."""
    if not minutes:
        return None
    times, by_time = _every_minute(minutes)
    found = [what for what in COLOURS if any(what in each["records"] for each in minutes)]
    series = {
        texts.code("outcome", what): [by_time[at]["records"].get(what, 0) if at in by_time else 0 for at in times]
        for what in found
    }
    return _chart(times, series, [COLOURS[what] for what in found], [SYMBOLS[what] for what in found])


def outputs(minutes: Sequence[Sample], texts: Texts) -> Chart | None:
    """Messages a minute."""
    if not minutes:
        return None
    times, by_time = _every_minute(minutes)
    sent = [by_time[at]["outputs"] if at in by_time else 0 for at in times]
    return _chart(times, {texts("chart_outputs"): sent}, ["--chart-5"])


def obligations(parts: Sequence[Sample], currency: str, texts: Texts) -> Chart | None:
    """What falls due when, in major units: what is paid of it, and what is left."""
    paid, left = Counter[str](), Counter[str]()
    for each in parts:
        charged_minor = each["principal_minor"] + each["fee_minor"] + each["penalty_minor"]
        paid[each["due_on"]] += each["paid_minor"]
        left[each["due_on"]] += charged_minor - each["paid_minor"] if each["status"] in OWED else 0
    days = sorted({*paid, *left})
    series = {
        texts("paid"): [major(paid[day], currency) for day in days],
        texts("left_open"): [major(left[day], currency) for day in days],
    }
    option = _chart([], series, ["--chart-5", "--chart-2"], ["circle", "triangle"])
    option["xAxis"]["data"] = days
    option["series"] = [{**each, "type": "bar", "stack": "due", "barMaxWidth": 28} for each in option["series"]]
    option["yAxis"] = {"type": "value", "name": currency}
    return option


def _every_minute(minutes: Sequence[Sample]) -> tuple[list[str], dict[str, Sample]]:
    by_time = {each["minute_at"]: each for each in minutes}
    first, last = (datetime.fromisoformat(minutes[place]["minute_at"]) for place in (0, -1))
    count = int((last - first).total_seconds() // 60) + 1
    return [(first + timedelta(minutes=n)).isoformat() for n in range(count)], by_time


def _chart(
    times: Sequence[str],
    series: Mapping[str, Sequence[float]],
    colours: Sequence[str],
    symbols: Sequence[str] = ("circle",),
) -> Chart:
    return {
        "animation": False,
        "color": list(colours),
        "tooltip": {"trigger": "axis"},
        "legend": {"type": "scroll", "top": 0, "data": list(series), "show": len(series) > 1},
        "grid": {"top": 32 if len(series) > 1 else 12, "left": 8, "right": 16, "bottom": 8, "containLabel": True},
        "xAxis": {
            "type": "category",
            "data": [datetime.fromisoformat(at).astimezone(BUSINESS_ZONE).strftime("%H:%M") for at in times],
            "axisLabel": {"hideOverlap": True},
        },
        "yAxis": {"type": "value", "minInterval": 1},
        "series": [
            {"name": name, "type": "line", "data": list(data), "symbol": symbol, "symbolSize": 6}
            for (name, data), symbol in zip(series.items(), symbols, strict=True)
        ],
    }
