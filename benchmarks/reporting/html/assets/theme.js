"use strict";
/* Light or dark as the system prefers, until the reader chooses. Only the reader's choice is stored. */
const report = { data: JSON.parse(document.getElementById("data").textContent), changed: [] };

(() => {
  const root = document.documentElement, button = document.getElementById("theme");
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const show = () => {
    button.textContent = dark() ? "Light" : "Dark";
    button.setAttribute("aria-label", dark() ? "Light page" : "Dark page");
    report.changed.forEach((draw) => draw());
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    try { localStorage.setItem("hsc-theme", root.dataset.theme); } catch { /* without storage the choice lasts as long as the page */ }
    show();
  });
  system.addEventListener("change", show);
  show();
})();

/* An element with properties and children; text is always text. */
report.make = (name, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
};
report.colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
report.missing = (value) => value === null || value === undefined;
/* Numbers as the whole page writes them: with a minus as wide as a plus, rates with the same digits everywhere. */
report.minus = (text) => text.replace("-", "−");
report.fixed = (value, digits) => report.minus(value.toFixed(digits));
report.signed = (value, digits) => {
  const text = report.fixed(value, digits);
  return /[1-9]/.test(text) ? (value > 0 ? `+${text}` : text) : text.replace("−", "");
};
report.rate = (bpp) => `${bpp.toFixed(report.data.rateDigits)} bpp`;
/* A score as people read it: times the metric's factor, with its digits. */
report.format = (value, metric) => (report.missing(value) ? "–" : report.fixed(metric.factor * value, metric.digits));
