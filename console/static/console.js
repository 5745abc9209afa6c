// Draws the charts of a page, and says when a page that comes anew by itself no longer does. All else works without.
"use strict";

(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Charts are told as ECharts takes them, in an attribute; colours are those of the page.
  const draw = (place) => {
    if (typeof echarts === "undefined") return;
    const drawn = place.querySelector(".drawn");
    if (drawn === null) return;
    const option = JSON.parse(drawn.dataset.option);
    echarts.getInstanceByDom(drawn)?.dispose();
    const chart = echarts.init(drawn, null, { renderer: "canvas" });
    const text = { color: colour("--quiet"), fontFamily: "inherit" };
    const line = { lineStyle: { color: colour("--line") } };
    option.color = option.color.map(colour);
    option.textStyle = text;
    option.legend = { ...option.legend, textStyle: text };
    for (const axis of [option.xAxis, option.yAxis]) {
      axis.axisLabel = { ...axis.axisLabel, ...text };
      axis.axisLine = line;
      axis.splitLine = axis === option.yAxis ? line : { show: false };
    }
    option.tooltip = {
      ...option.tooltip, renderMode: "richText", backgroundColor: colour("--card"), borderColor: colour("--line"),
      textStyle: { color: colour("--text") },
    };
    chart.setOption(option);
  };

  const drawAll = () => document.querySelectorAll(".chart").forEach(draw);

  const tellStale = (isStale) => {
    const told = document.getElementById("stale");
    if (told !== null) told.hidden = !isStale;
  };

  addEventListener("DOMContentLoaded", drawAll);
  document.addEventListener("htmx:sendError", () => tellStale(true));
  document.addEventListener("htmx:responseError", () => tellStale(true));
  document.addEventListener("htmx:afterSwap", () => tellStale(false));
  addEventListener("resize", () => document.querySelectorAll(".chart .drawn").forEach((each) => echarts.getInstanceByDom(each)?.resize()));
  document.addEventListener("htmx:afterSettle", drawAll);
  dark.addEventListener("change", drawAll);
})();
