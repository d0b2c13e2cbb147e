"use strict";
/* The score of each class: a row an operating point, a column a class, the darker the better. One head at a time. */
(() => {
  const { data, make } = report, place = document.getElementById("classes");
  const known = [...data.readers.keys()].filter((r) => data.points.some((point) => point.r === r && point.k.some((value) => !report.missing(value))));
  if (!data.classMetric || !known.length) return;
  const pick = make("select", { id: "class-reader" });
  known.forEach((r) => pick.append(make("option", { value: r, textContent: `${data.readers[r].head} · ${data.readers[r].domain}` })));
  const metric = data.classMetric;
  const frame = make("div", { className: "frame", tabIndex: 0 });
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", `${metric.title} by class`);
  place.replaceChildren(
    make("p", { className: "note", textContent: `${metric.label} of each class; a dash where the images have no object or pixel of the class.` }),
    make("div", { className: "controls" }, make("label", {}, "Head ", pick)), frame);

  const head = (text, kind) => {
    const cell = make("th", { scope: "col", className: kind === "number" ? "n" : "" }, make("button", { type: "button" }, text, make("span", { className: "arrow", ariaHidden: "true" })));
    cell.setAttribute("aria-sort", "none");
    cell.dataset.kind = kind;
    return cell;
  };
  /* How good a value is within the score's bounds, 0 to 1; 0 where the score is unbounded. */
  const heat = (value) => {
    if (metric.low === null || metric.high === null) return 0;
    const share = (metric.factor * value - metric.low) / (metric.high - metric.low);
    return metric.sign > 0 ? share : 1 - share;
  };
  const cell = (value) => {
    const item = make("td", { className: "n heat", textContent: report.format(value, metric) });
    if (!report.missing(value)) {
      item.dataset.v = value;
      item.style.setProperty("--h", heat(value));
    }
    return item;
  };
  const row = (point) => {
    const codec = make("th", { scope: "row", className: "named" }, make("span", { className: `dot c${point.c}`, ariaHidden: "true" }), data.codecs[point.c].label);
    codec.dataset.v = data.codecs[point.c].label;
    const rate = make("td", { className: "n", textContent: point.bpp[0].toFixed(4) });
    rate.dataset.v = point.bpp[0];
    const line = make("tr", {}, codec, make("td", { textContent: point.p || "–" }), rate, ...point.k.map(cell));
    line.dataset.c = point.c;
    return line;
  };
  const draw = () => {
    const rows = data.points.filter((point) => point.r === Number(pick.value)).map(row);
    const heads = [head("Codec", "text"), head("Point", "text"), head("bpp", "number"), ...data.classes.map((own) => head(own.name, "number"))];
    const table = make("table", { id: "class-table" }, make("caption", { textContent: `${metric.title} by class` }), make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows));
    frame.replaceChildren(table);
    report.sortable(table);
    report.apply();
  };
  pick.addEventListener("change", draw);
  draw();
})();
