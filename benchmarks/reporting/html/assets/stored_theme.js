"use strict";
/* The theme that the reader chose, set before anything is painted. */
try {
  const kept = localStorage.getItem("hsc-theme");
  if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
} catch { /* a browser may forbid storage to pages from a disk */ }
