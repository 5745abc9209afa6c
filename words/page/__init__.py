"""A simulation's report as one page that needs nothing else: no network, no other file.

Charts are drawn by Apache ECharts, which lies in `vendor/` as its project publishes it:
docs/decisions/0022-charts-are-drawn-by-a-vendored-library.md.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from words.phrases import major, money
from words.simulation import COUNTS, MEASURES, headline

FOLDER = Path(__file__).parent
ECHARTS = FOLDER / "vendor" / "echarts.common.min.js"
ECHARTS_VERSION = "6.1.0"
ECHARTS_SHA256 = "61f13280aba3161f77fc801bf5f9c786f55f10432153a0683fc5cc0700b013d5"
MOST_DAYS = 92
"""With more days than this a chart shows months."""
OVER_TIME = ("accepted", "declined", "penalties", "fees", "fell_overdue", "payouts_to_merchants")
COMPARED = ("limit_at_end", "available_at_end", "owed_at_end", "overdue_at_end", "payable_at_end")


def page(document: Mapping[str, Any]) -> str:
    """The page of a report, whose document is that of `postpay replay simulate --json`.

    Raises:
        ValueError: the library that draws is not the one that was checked in.
    """
    script = ECHARTS.read_text(encoding="utf-8")
    found = hashlib.sha256(script.encode()).hexdigest()
    if found != ECHARTS_SHA256:
        msg = f"expected {ECHARTS} to have sum {ECHARTS_SHA256}, got {found}: install this release anew"
        raise ValueError(msg)
    environment = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("simulation.html").render(
        document=document,
        headline=headline(document),
        measures=MEASURES,
        counts=COUNTS,
        money=money,
        script=script,
        charts=_for_script(charts(document)),
    )


def charts(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is drawn, as ECharts takes it, in major units of one currency a chart."""
    found = [_declined(document)]
    for currency in sorted({row["currency"] for row in document["amounts"]}):
        found.append(_at_the_end(document, currency))
        found += [_over_time(document, measure, currency) for measure in OVER_TIME]
    return [each for each in found if each["series"][0]["data"] or each["series"][1]["data"]]


def _declined(document: Mapping[str, Any]) -> dict[str, Any]:
    rows = [row for row in document["outcomes"] if row["type"] == "purchase.placed"]
    named = [(row["reason"] or row["outcome"], row["recorded"], row["simulated"]) for row in rows]
    return _chart("Purchases: accepted, and declined by reason", "bar", named)


def _at_the_end(document: Mapping[str, Any], currency: str) -> dict[str, Any]:
    rows = {row["measure"]: row for row in document["amounts"] if row["currency"] == currency}
    named = [
        (MEASURES[name], major(rows[name]["recorded_minor"], currency), major(rows[name]["simulated_minor"], currency))
        for name in COMPARED
        if name in rows
    ]
    return _chart(f"What there is at the end, {currency}", "bar", named)


def _over_time(document: Mapping[str, Any], measure: str, currency: str) -> dict[str, Any]:
    rows = [row for row in document["days"] if (row["measure"], row["currency"]) == (measure, currency)]
    length = len("2026-01-01") if len({row["date"] for row in document["days"]}) <= MOST_DAYS else len("2026-01")
    recorded, simulated = Counter[str](), Counter[str]()
    for row in rows:
        recorded[row["date"][:length]] += row["recorded_minor"]
        simulated[row["date"][:length]] += row["simulated_minor"]
    dates = sorted({*recorded, *simulated})
    named = [(date, major(recorded[date], currency), major(simulated[date], currency)) for date in dates]
    return _chart(f"{MEASURES[measure].capitalize()}, {currency}", "line", named)


def _chart(title: str, kind: str, rows: list[tuple[str, float, float]]) -> dict[str, Any]:
    return {
        "title": {"text": title, "textStyle": {"fontSize": 14}},
        "animation": False,
        "tooltip": {"trigger": "axis"},
        "legend": {"top": 32, "data": ["recorded", "simulated"]},
        "grid": {"top": 72, "left": 16, "right": 24, "bottom": 16, "containLabel": True},
        "xAxis": {"type": "category", "data": [name for name, _, _ in rows], "axisLabel": {"hideOverlap": True}},
        "yAxis": {"type": "value"},
        "series": [
            {"name": "recorded", "type": kind, "data": [was for _, was, _ in rows]},
            {"name": "simulated", "type": kind, "data": [would for _, _, would in rows]},
        ],
    }


def _for_script(value: Any) -> str:
    """JSON that may stand within a script element, whatever ids and texts are in it."""
    text = json.dumps(value, ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
