"use strict";
/* Light or dark as the system says, until the reader says otherwise. What is kept is the reader's word alone. */
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
    try { localStorage.setItem("hsc-theme", root.dataset.theme); } catch { /* then it is forgotten */ }
    show();
  });
  system.addEventListener("change", show);
  show();
})();

/* An element with properties and children; text is always text. */
report.make = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};
report.colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
report.percent = (value, digits = 1) => (value === null || value === undefined ? "–" : (100 * value).toFixed(digits));
