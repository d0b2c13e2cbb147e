"use strict";
/* What each codec costs each class: a row a class, a column a codec, score less that of the original. One head, one rate. */
(() => {
  const { data, make } = report, place = document.getElementById("classes");
  const known = [...data.readers.keys()].filter((r) => data.points.some((point) => point.r === r && point.k.some((value) => !report.missing(value))));
  if (!data.classMetric || !known.length || !data.rates.length) return;
  const metric = data.classMetric, near = 1.5, folded = 20, first = 12;
  const pick = make("select", { id: "class-reader" }), at = make("select", { id: "class-rate" });
  known.forEach((r) => pick.append(make("option", { value: r, textContent: `${data.readers[r].head} · ${data.readers[r].domain}` })));
  data.rates.forEach((rate) => at.append(make("option", { value: rate, textContent: `${rate} bpp` })));
  const reached = (rate) => new Set(data.points.filter((point) => !point.lossless && ratio(point, rate) <= near).map((point) => point.c)).size;
  const ratio = (point, rate) => Math.max(point.bpp[0] / rate, rate / point.bpp[0]);
  at.value = [...data.rates].sort((a, b) => reached(b) - reached(a) || a - b)[0];
  const frame = make("div", { className: "frame", tabIndex: 0 }), scroll = make("div", { className: "scroll" }, frame);
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", `${metric.title} by class`);
  const note = make("p", { className: "note" }), more = make("button", { type: "button", className: "quiet", id: "class-fold" });
  place.replaceChildren(note, make("div", { className: "controls" }, make("label", {}, "Head ", pick), make("label", {}, "Rate ", at)), scroll, more);
  report.scrolls(scroll);
  const state = { all: false };

  const head = (text, kind, best, small) => {
    const cell = make("th", { scope: "col", className: kind === "number" ? "n" : "" }, make("button", { type: "button" }, text, make("span", { className: "arrow", ariaHidden: "true" }), ...(small ? [make("small", { textContent: small })] : [])));
    cell.setAttribute("aria-sort", "none");
    cell.dataset.kind = kind;
    cell.dataset.best = best;
    return cell;
  };
  const named = (c) => [make("span", { className: `dot c${c}`, ariaHidden: "true" }), data.codecs[c].label];
  const plain = (value, text) => {
    const cell = make("td", { className: "n", textContent: text });
    if (!report.missing(value)) cell.dataset.v = value;
    return cell;
  };
  /* A difference from the original: worse is what the direction of the score makes worse. */
  const change = (value, largest) => {
    if (report.missing(value)) return plain(null, "–");
    const cell = plain(value, report.signed(metric.factor * value, metric.digits));
    const worse = -metric.sign * value;
    cell.classList.add(worse > 0 ? "lost" : "gained");
    cell.style.setProperty("--h", largest ? Math.min(Math.abs(value) / largest, 1) : 0);
    return cell;
  };

  const draw = () => {
    const reader = Number(pick.value), rate = Number(at.value);
    const points = data.points.filter((point) => point.r === reader && report.shown.c.has(point.c));
    const original = data.points.find((point) => point.r === reader && point.lossless);
    const columns = [...new Set(points.filter((point) => !point.lossless).map((point) => point.c))].flatMap((c) => {
      const own = points.filter((point) => point.c === c).sort((a, b) => ratio(a, rate) - ratio(b, rate))[0];
      return own && ratio(own, rate) <= near ? [own] : [];
    });
    const value = (point, k) => (report.missing(point.k[k]) || (original && report.missing(original.k[k])) ? null : point.k[k] - (original ? original.k[k] : 0));
    const losses = (k) => columns.map((point) => value(point, k)).filter((loss) => loss !== null);
    const mean = (k) => { const own = losses(k); return own.length ? metric.sign * own.reduce((sum, loss) => sum + loss, 0) / own.length : Infinity; };
    const order = [...data.classes.keys()].sort((a, b) => mean(a) - mean(b) || a - b);
    const largest = Math.max(0, ...order.flatMap((k) => losses(k).map(Math.abs)));
    const support = data.support, unit = metric.unit === "%" ? "percentage points" : metric.unit || "units of the score";
    note.textContent = (original
      ? `${metric.label.replace(/ \[.*/, "")} of each class less that on the original, in ${unit}, at each codec’s point nearest to ${rate} bpp; the worst losses stand on top.`
      : `${metric.label} of each class at each codec’s point nearest to ${rate} bpp; this head does not read the original.`)
      + ` A dash stands where the images have nothing of the class. Codecs without a point within a factor of ${near} of the rate are left out.`;
    const rows = order.map((k) => {
      const name = make("th", { scope: "row" }, data.classes[k].name);
      name.dataset.v = data.classes[k].name;
      const count = support?.counts[k];
      const cells = support ? [plain(count, report.missing(count) ? "–" : count.toLocaleString("en"))] : [];
      if (original) cells.push(plain(original.k[k], report.format(original.k[k], metric)));
      return make("tr", {}, name, ...cells, ...columns.map((point) => (original ? change(value(point, k), largest) : plain(value(point, k), report.format(value(point, k), metric)))));
    });
    const best = metric.sign > 0 ? "low" : "high"; // the worst losses are what a reader looks for
    const heads = [head("Class", "text", "low"), ...(support ? [head(support.unit === "pixels" ? "Pixels" : "Objects", "number", "high")] : []), ...(original ? [head("Original", "number", metric.sign > 0 ? "high" : "low")] : []),
      ...columns.map((point) => head(data.codecs[point.c].label, "number", best, `${point.p ? `${point.p}, ` : ""}${report.rate(point.bpp[0])}`))];
    heads.slice(heads.length - columns.length).forEach((cell, n) => cell.querySelector("button").prepend(named(columns[n].c)[0]));
    const table = make("table", { id: "class-table" }, make("caption", { textContent: `${metric.title} by class` }), make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows));
    const many = rows.length > folded, kept = Math.min(first, Math.max(order.filter((k) => losses(k).length).length, 1));
    more.hidden = !many;
    more.textContent = state.all ? `Show the ${kept} classes that lose most` : `Show all ${rows.length} classes`;
    if (many && !state.all) rows.slice(kept).forEach((row) => row.remove());
    frame.replaceChildren(table);
    report.sortable(table);
  };
  more.addEventListener("click", () => { state.all = !state.all; draw(); });
  [pick, at].forEach((select) => select.addEventListener("change", draw));
  report.filtered.push(draw);
  draw();
})();
