"use strict";
/* A score for each class: a line an operating point, a column a class, the darker the better. One head at a time. */
(() => {
  const { data, make } = report, place = document.getElementById("classes");
  const known = [...data.readers.keys()].filter((r) => data.points.some((point) => point.r === r && point.k.some((value) => value !== null && value !== undefined)));
  if (!data.classes.length || !known.length) return;
  const pick = make("select", { id: "class-reader" });
  known.forEach((r) => pick.append(make("option", { value: r, textContent: `${data.readers[r].head} · ${data.readers[r].route} route` })));
  const title = data.metrics.find((metric) => metric.id === data.classMetric)?.title ?? data.classMetric.replace("iou", "IoU");
  const frame = make("div", { className: "frame", tabIndex: 0 });
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", `${title} by class`);
  place.replaceChildren(
    make("p", { className: "note", textContent: `${title} of each class in percent; a dash where the images have none of it.` }),
    make("div", { className: "controls" }, make("label", {}, "Head ", pick)), frame);

  const head = (text, kind) => {
    const cell = make("th", { scope: "col", className: kind === "number" ? "n" : "" }, make("button", { type: "button" }, text, make("span", { className: "arrow", ariaHidden: "true" })));
    cell.setAttribute("aria-sort", "none");
    cell.dataset.kind = kind;
    return cell;
  };
  const cell = (value) => {
    const made = make("td", { className: "n heat", textContent: report.percent(value) });
    if (value !== null && value !== undefined) { made.dataset.v = value; made.style.setProperty("--h", value); }
    return made;
  };
  const row = (point) => {
    const codec = make("th", { scope: "row", className: "named" }, make("span", { className: `dot c${point.c}`, ariaHidden: "true" }), data.codecs[point.c].label);
    codec.dataset.v = data.codecs[point.c].label;
    const rate = make("td", { className: "n", textContent: point.bpp[0].toFixed(4) });
    rate.dataset.v = point.bpp[0];
    const made = make("tr", {}, codec, make("td", { textContent: point.p || "–" }), rate, ...point.k.map(cell));
    made.dataset.c = point.c;
    return made;
  };
  const draw = () => {
    const rows = data.points.filter((point) => point.r === Number(pick.value)).map(row);
    const heads = [head("Codec", "text"), head("Point", "text"), head("bpp", "number"), ...data.classes.map((name) => head(name, "number"))];
    const table = make("table", { id: "class-table" }, make("caption", { textContent: `${title} by class` }), make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows));
    frame.replaceChildren(table);
    report.sortable(table);
    report.apply();
  };
  pick.addEventListener("change", draw);
  draw();
})();
