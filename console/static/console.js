// Draws the charts of a page, and says when a page that comes anew by itself no longer does. All else works without.
"use strict";

(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const dispose = (drawn) => echarts.getInstanceByDom(drawn)?.dispose();

  // Charts are told as ECharts takes them, in an attribute; colours are those of the page.
  const draw = (place) => {
    if (typeof echarts === "undefined") return;
    const drawn = place.querySelector(".drawn");
    if (drawn === null) return;
    const option = JSON.parse(drawn.dataset.option);
    dispose(drawn);
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

  // Who fills in a form of a live page is not interrupted: it comes anew when they are through.
  const isBusy = () => document.querySelector("#main form :focus, #main details[open] form") !== null;

  // What is opened stays open, and what is drawn is given back, when a live page comes anew.
  let opened = [];
  const beforeSwap = (event) => {
    if (event.target.id === "main" && isBusy()) {
      event.detail.shouldSwap = false;
      return;
    }
    if (typeof echarts !== "undefined") document.querySelectorAll(".chart .drawn").forEach(dispose);
    opened = [...document.querySelectorAll("#main details[open] > summary")].map((each) => each.innerText);
  };
  const afterSwap = () => {
    for (const each of document.querySelectorAll("#main details > summary")) {
      if (opened.includes(each.innerText)) each.parentElement.open = true;
    }
    tellStale(false);
  };

  const tellStale = (isStale) => {
    const told = document.getElementById("stale");
    if (told !== null) told.hidden = !isStale;
  };

  addEventListener("DOMContentLoaded", drawAll);
  document.addEventListener("htmx:sendError", () => tellStale(true));
  document.addEventListener("htmx:responseError", () => tellStale(true));
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target.id === "main" && isBusy()) event.preventDefault();
  });
  document.addEventListener("htmx:beforeSwap", beforeSwap);
  document.addEventListener("htmx:afterSwap", afterSwap);
  addEventListener("resize", () => document.querySelectorAll(".chart .drawn").forEach((each) => echarts.getInstanceByDom(each)?.resize()));
  document.addEventListener("htmx:afterSettle", drawAll);
  dark.addEventListener("change", drawAll);
})();
