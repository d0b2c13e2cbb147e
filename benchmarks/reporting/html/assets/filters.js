"use strict";
/* The codecs and heads that the whole page shows; and tables that can be sorted. */
report.shown = { c: new Set(report.data.codecs.keys()), r: new Set(report.data.readers.keys()) };
report.filtered = [];

(() => {
  document.querySelectorAll(".filters, .controls").forEach((part) => { part.hidden = false; });
  const find = document.getElementById("find"), count = document.getElementById("count");
  const chips = [...document.querySelectorAll(".chip")];
  const kind = (chip) => (chip.dataset.c === undefined ? "r" : "c");

  const apply = () => {
    chips.forEach((chip) => chip.setAttribute("aria-pressed", report.shown[kind(chip)].has(Number(chip.dataset[kind(chip)]))));
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    document.querySelectorAll("tbody").forEach((body) => {
      const searched = body.parentElement.id === "points";
      let left = 0, all = 0;
      for (const row of body.querySelectorAll("tr:not(.empty)")) {
        const hit = ["c", "r"].every((k) => row.dataset[k] === undefined || report.shown[k].has(Number(row.dataset[k])))
          && (!searched || words.every((word) => row.dataset.s.includes(word)));
        row.hidden = !hit;
        left += hit; all += 1;
      }
      empty(body, left || !all);
      if (searched) count.textContent = `${left} of ${all} points`;
    });
    report.filtered.forEach((draw) => draw());
  };

  const empty = (body, filled) => {
    body.querySelector(".empty")?.remove();
    if (filled) return;
    const columns = body.parentElement.querySelectorAll("thead th").length;
    body.append(report.make("tr", { className: "empty" }, report.make("td", { colSpan: columns, textContent: "Nothing fits the selection above." })));
  };

  chips.forEach((chip) => chip.addEventListener("click", () => {
    const chosen = report.shown[kind(chip)], number = Number(chip.dataset[kind(chip)]);
    chosen.has(number) ? chosen.delete(number) : chosen.add(number);
    apply();
  }));
  document.querySelectorAll("[data-all]").forEach((button) => button.addEventListener("click", () => {
    const which = button.dataset.all, all = which === "c" ? report.data.codecs : report.data.readers;
    report.shown[which] = new Set(report.shown[which].size === all.length ? [] : all.keys());
    apply();
  }));
  find.addEventListener("input", apply);

  /* First click: the best on top; second: the other way; third: the order of the run. Cells without a value always come last. */
  report.sortable = (table) => {
    const body = table.tBodies[0], order = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      const [first, second] = head.dataset.best === "high" ? ["descending", "ascending"] : ["ascending", "descending"];
      const next = now === "none" ? first : now === first ? second : "none";
      heads.forEach((other) => other.setAttribute("aria-sort", other === head ? next : "none"));
      const numbers = head.dataset.kind === "number", sign = next === "descending" ? -1 : 1;
      const value = (row) => row.cells[column].dataset.v;
      const compare = (a, b) => {
        const [one, other] = [value(a), value(b)];
        if (one === undefined || other === undefined) return (one === undefined) - (other === undefined);
        return sign * (numbers ? number(one) - number(other) || 0 : one.localeCompare(other, "en", { numeric: true }));
      };
      body.append(...(next === "none" ? order : [...order].sort(compare)));
      const last = body.querySelector(".empty");
      if (last) body.append(last);
    }));
  };
  /* Which way a table goes on beyond its frame; and in words, once, where it goes on to the right. */
  report.scrolls = (scroll) => {
    const frame = scroll.querySelector(".frame"), hint = report.make("p", { className: "swipe", textContent: "⟵ more columns: scroll sideways ⟶", hidden: true });
    const look = () => {
      const right = frame.scrollWidth - frame.clientWidth - frame.scrollLeft > 2;
      scroll.classList.toggle("right", right);
      scroll.classList.toggle("below", frame.scrollHeight - frame.clientHeight - frame.scrollTop > 2);
      hint.hidden = frame.scrollWidth - frame.clientWidth <= 2;
    };
    scroll.after(hint);
    frame.addEventListener("scroll", look, { passive: true });
    new ResizeObserver(look).observe(frame);
    report.filtered.push(look);
    look();
  };
  document.querySelectorAll(".scroll").forEach(report.scrolls);
  const number = (text) => (text === "inf" ? Number.MAX_VALUE : Number(text));
  document.querySelectorAll("main table").forEach(report.sortable);
  report.apply = apply;
  apply();
})();
