"use strict";
/* A panel for each head shown: bits per pixel against a score, with bands for intervals and dotted fits. */
(() => {
  const { data } = report, panels = document.getElementById("panels"), spoken = document.getElementById("spoken");
  const picked = document.getElementById("metric");
  const box = (name) => document.getElementById(name);
  const metrics = [...data.metrics, ...data.classes.map((metric, k) => ({ ...metric, id: `class ${k}`, k }))];
  metrics.forEach((metric, n) => picked.append(report.make("option", { value: n, textContent: metric.title })));
  let charts = [];

  const value = (point, metric) => (metric.k === undefined ? point.m[metric.id] ?? [null, null, null] : [point.k[metric.k], null, null]);
  const scaled = (number, metric) => (report.missing(number) ? null : metric.factor * number);

  /* Chart.js draws lines and points; this plug-in draws the bands below them, between the ends of the intervals. */
  const bands = {
    id: "bands",
    beforeDatasetsDraw(chart) {
      if (!box("bands").checked) return;
      const { ctx, chartArea: area, scales: { x, y } } = chart;
      ctx.save();
      ctx.beginPath(); ctx.rect(area.left, area.top, area.width, area.height); ctx.clip();
      for (const set of chart.data.datasets) {
        const known = set.data.filter((dot) => !report.missing(dot.low));
        if (known.length < 2 || set.fit) continue;
        ctx.beginPath();
        known.forEach((dot) => ctx.lineTo(x.getPixelForValue(dot.x), y.getPixelForValue(dot.low)));
        [...known].reverse().forEach((dot) => ctx.lineTo(x.getPixelForValue(dot.x), y.getPixelForValue(dot.high)));
        ctx.closePath(); ctx.globalAlpha = 0.14; ctx.fillStyle = set.borderColor; ctx.fill();
      }
      ctx.restore();
    },
  };

  const datasets = (reader, metric) => {
    const sets = [];
    const read = data.points.filter((point) => point.r === reader && report.shown.c.has(point.c));
    const rates = read.filter((point) => !point.lossless).map((point) => point.bpp[0]);
    for (const c of new Set(read.map((point) => point.c))) {
      const codec = data.codecs[c], colour = report.colour(`--c${c}`);
      const points = read.filter((point) => point.c === c).map((point) => {
        const [score, low, high] = value(point, metric).map((number) => scaled(number, metric));
        return { x: point.bpp[0], y: score, low, high, point };
      }).filter((dot) => dot.y !== null).sort((a, b) => a.x - b.x);
      const shape = { pointStyle: codec.shape === "down" ? "triangle" : codec.shape, pointRotation: codec.shape === "down" ? 180 : 0 };
      if (points.length && points.every((dot) => dot.point.lossless)) {
        const ends = rates.length ? [Math.min(...rates), Math.max(...rates)] : [points[0].x * 0.9, points[0].x * 1.1];
        sets.push({ label: codec.label, ceiling: true, data: ends.map((x) => ({ ...points[0], x, low: null })), borderColor: colour, borderDash: [6, 4], borderWidth: 1.2, pointRadius: 0, pointHitRadius: 8 });
      } else if (points.length) {
        sets.push({ label: codec.label, data: points, borderColor: colour, backgroundColor: colour, borderDash: codec.dash, borderWidth: 1.8, pointRadius: 4, pointHoverRadius: 6, ...shape });
      }
      if (metric.id === data.main && box("fits").checked) {
        for (const fit of data.fits.filter((own) => own.r === reader && own.c === c)) {
          sets.push({ label: codec.label, fit: true, data: fit.xy.map(([x, y]) => ({ x, y: scaled(y, metric) })), borderColor: colour, borderDash: [2, 3], borderWidth: 1.4, pointRadius: 0, pointHitRadius: 0, pointHoverRadius: 0 });
        }
      }
    }
    return sets;
  };

  const words = (dot, metric) => {
    const { unit, digits } = metric;
    const ends = report.missing(dot.low) ? "" : ` [${report.fixed(dot.low, digits)} to ${report.fixed(dot.high, digits)}]`;
    const [rate, low, high] = dot.point.bpp, places = data.rateDigits;
    const span = report.missing(low) ? "" : ` [${low.toFixed(places)} to ${high.toFixed(places)}]`;
    return [`${metric.title} ${report.fixed(dot.y, digits)}${ends}${unit && ` ${unit}`}`, `${rate.toFixed(places)}${span} bpp`];
  };

  const round125 = (low, high) => {
    const ticks = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
      for (const digit of [1, 2, 5]) ticks.push(Number(`${digit}e${power}`));
    }
    const inside = ticks.filter((tick) => tick >= low && tick <= high);
    return inside.length > 9 ? inside.filter((tick) => /^1/.test(tick.toExponential())) : inside;
  };

  /* No axis of scores goes beyond the bounds of its score. */
  const withinBounds = (metric) => (scale) => {
    if (metric.low !== null) scale.min = Math.max(scale.min, metric.low);
    if (metric.high !== null) scale.max = Math.min(scale.max, metric.high);
    scale.ticks = scale.ticks.filter((tick) => tick.value >= scale.min && tick.value <= scale.max);
  };

  const options = (metric, [left, right], [lowest, highest]) => {
    const ink = report.colour("--ink"), quiet = report.colour("--quiet"), rule = report.colour("--rule");
    const font = { family: getComputedStyle(document.body).getPropertyValue("--plain"), size: 12 };
    const axis = { grid: { color: rule, lineWidth: 0.7 }, border: { color: rule }, ticks: { color: quiet, font, maxRotation: 0 } };
    const logarithmic = box("log").checked;
    return {
      animation: false, responsive: true, maintainAspectRatio: false, normalized: true, parsing: false,
      interaction: { mode: "nearest", intersect: false, axis: "xy" },
      scales: {
        x: { ...axis, min: left, max: right, type: logarithmic ? "logarithmic" : "linear", title: { display: true, text: "rate [bit/pixel]", color: ink, font },
          afterBuildTicks: (scale) => { if (logarithmic) scale.ticks = round125(scale.min, scale.max).map((value) => ({ value })); },
          ticks: { ...axis.ticks, autoSkip: !logarithmic, callback: (tick) => String(Number(tick.toPrecision(6))) } },
        y: { ...axis, beginAtZero: false, suggestedMin: lowest, suggestedMax: highest, afterBuildTicks: withinBounds(metric), title: { display: true, text: metric.label, color: ink, font } },
      },
      plugins: {
        legend: { display: false },
        tooltip: { filter: (item) => !item.dataset.fit, displayColors: false, backgroundColor: report.colour("--raised"), borderColor: quiet, borderWidth: 1, titleColor: ink, bodyColor: ink, titleFont: { ...font, weight: "600" }, bodyFont: font, padding: 9,
          callbacks: { title: ([item]) => item && `${item.dataset.label}  ${item.dataset.ceiling ? "lossless" : item.raw.point.p}`, label: (item) => (item.dataset.ceiling ? words(item.raw, metric).slice(0, 1) : words(item.raw, metric)) } },
      },
    };
  };

  /* Left and right move along a curve, up and down from curve to curve. */
  const walk = (event, chart, metric) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const real = chart.data.datasets.map((set, n) => (set.fit ? -1 : n)).filter((n) => n >= 0);
    if (!step || !real.length) return;
    event.preventDefault();
    const now = chart.getActiveElements()[0];
    const place = now ? (real.indexOf(now.datasetIndex) + step[0] + real.length) % real.length : 0;
    const points = chart.data.datasets[real[place]].data;
    const index = now ? Math.min(Math.max(now.index + step[1], 0), points.length - 1) : 0;
    const active = [{ datasetIndex: real[place], index }];
    chart.setActiveElements(active);
    const element = chart.getDatasetMeta(real[place]).data[index];
    chart.tooltip.setActiveElements(active, { x: element.x, y: element.y });
    chart.update("none");
    spoken.textContent = [chart.data.datasets[real[place]].label, points[index].point.p, ...words(points[index], metric)].filter(Boolean).join(", ");
  };

  /* The image that a point of a curve stands for, where the gallery has one of its codec. */
  const shown = (chart, active) => {
    const dot = active && chart.data.datasets[active.datasetIndex].data[active.index];
    if (dot?.point) report.showImage?.(data.codecs[dot.point.c].label, dot.point.bpp[0]);
  };

  const draw = () => {
    charts.forEach((chart) => chart.destroy());
    const metric = metrics[Number(picked.value) || 0];
    const readers = [...data.readers.keys()].filter((n) => report.shown.r.has(n));
    const sets = readers.map((reader) => datasets(reader, metric));
    const dots = sets.flat().filter((set) => !set.ceiling).flatMap((set) => set.data);
    const drawn = dots.length ? dots : sets.flat().flatMap((set) => set.data);
    const all = sets.flat().flatMap((set) => set.data).flatMap((dot) => [dot.y, dot.low ?? dot.y, dot.high ?? dot.y]);
    const rates = drawn.map((dot) => dot.x), margin = box("log").checked ? 1.06 : 1;
    const across = rates.length ? [Math.min(...rates) / margin, Math.max(...rates) * margin] : [undefined, undefined];
    const room = 0.04 * (Math.max(...all) - Math.min(...all)) || 0;
    const upright = [Math.min(...all) - room, Math.max(...all) + room];
    const figures = readers.map((reader) => {
      const { head, domain, title } = data.readers[reader];
      const canvas = report.make("canvas", { tabIndex: 0, role: "img" });
      canvas.setAttribute("aria-label", `Curves of ${metric.title} over rate for ${head}, ${domain}; arrow keys read the points, the table below has all numbers`);
      return { canvas, figure: report.make("figure", {}, report.make("figcaption", { textContent: title }), report.make("div", { className: "plot" }, canvas)) };
    });
    panels.replaceChildren(...figures.map(({ figure }) => figure));
    if (!readers.length) panels.append(report.make("p", { className: "note", textContent: data.readers.length ? "No head is selected above." : "No head has a score in this run." }));
    charts = figures.map(({ canvas }, n) => {
      const chart = new Chart(canvas, { type: "line", data: { datasets: sets[n] }, options: options(metric, across, upright), plugins: [bands] });
      canvas.addEventListener("keydown", (event) => (event.key === "Enter" ? shown(chart, chart.getActiveElements()[0]) : walk(event, chart, metric)));
      canvas.addEventListener("click", (event) => shown(chart, chart.getElementsAtEventForMode(event, "nearest", { intersect: true }, true).find((item) => !chart.data.datasets[item.datasetIndex].fit)));
      return chart;
    });
    report.charts = charts;
  };

  if (!metrics.length) picked.closest(".controls").hidden = true;
  const without = (name, absent) => { box(name).closest("label").hidden = box(`of-${name}`).hidden = absent; };
  without("fits", !data.fits.length);
  without("bands", !data.points.some((point) => Object.values(point.m).some(([, low]) => low !== null)));
  [picked, box("log"), box("bands"), box("fits")].forEach((input) => input.addEventListener("change", draw));
  report.filtered.push(draw);
  report.changed.push(draw);
  draw();
})();
