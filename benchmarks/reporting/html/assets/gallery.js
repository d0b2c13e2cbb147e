"use strict";
/* Two images under one slider: any two codecs, or the original, at a few rates, with predictions, labels or errors over them. */
(() => {
  const gallery = JSON.parse(document.getElementById("gallery-data").textContent);
  if (!gallery) return;
  const { make } = report, place = document.getElementById("gallery");
  const detection = gallery.images.some((image) => [image.labels, ...image.tiles.flatMap((tile) => tile.found)].some((drawing) => drawing?.boxes));
  const rates = gallery.rates, matched = Math.max(rates.indexOf(gallery.target_bpp), 0);
  const state = { image: 0, left: 0, right: 0, rate: matched };
  const source = (picture) => `data:${picture.kind};base64,${picture.data}`;
  const tiles = () => gallery.images[state.image].tiles;
  const bpp = (shown) => 8 * shown.bytes / (gallery.images[state.image].image_hw[0] * gallery.images[state.image].image_hw[1]);
  const apart = (one, other) => Math.abs(Math.log(one / other));
  /* The codec's tile of the chosen rate; where it has none, the one whose rate is nearest. */
  const tileOf = (codec) => {
    const own = tiles().filter((shown) => shown.codec === codec);
    const target = rates[state.rate];
    return own.find((shown) => shown.rate === undefined || shown.rate === state.rate)
      ?? [...own].sort((a, b) => apart(bpp(a), target) - apart(bpp(b), target))[0];
  };
  const tile = (side) => tileOf(state[side]);

  const picks = make("div", { className: "picks", role: "group", ariaLabel: "Image" });
  gallery.images.forEach((image, n) => picks.append(make("button", { type: "button", title: image.image, onclick: () => { state.image = n; draw(); } }, make("img", { alt: image.image, src: image.tiles.length ? source(image.tiles[0].picture) : "" }))));

  const names = [...new Set(gallery.images.flatMap((image) => image.tiles.map(({ codec }) => codec)))];
  const choose = (side, text) => {
    const select = make("select", { id: `pick-${side}`, onchange: () => { state[side] = select.value; draw(); } });
    names.forEach((name) => select.append(make("option", { value: name, textContent: name })));
    return { select, about: make("p", { className: "about" }), label: text };
  };
  const sides = { left: choose("left", "Left"), right: choose("right", "Right") };
  state.left = names[0];
  state.right = names[names.length - 1];

  const over = make("select", { id: "over", onchange: () => draw() });
  over.append(make("option", { value: "none", textContent: "nothing" }));
  if (gallery.images.some((image) => image.labels)) over.append(make("option", { value: "labels", textContent: "labels of the data set" }));
  gallery.heads.forEach((head, n) => over.append(make("option", { value: n, textContent: `predictions of ${head.head} (${head.domain})` })));
  if (gallery.heads.length) over.value = "0";
  const at = make("select", { id: "gallery-rate", onchange: () => { state.rate = Number(at.value); draw(); } });
  rates.forEach((rate, n) => at.append(make("option", { value: n, textContent: `${report.rate(rate)}${n === matched ? ", matched bytes" : ", nearest points"}` })));
  const rate = make("label", {}, "Rate: ", at);
  rate.hidden = rates.length < 2;
  const labelled = gallery.images.some((image) => image.labels), first = names[0];
  const marks = make("select", { id: "marks", onchange: () => draw() });
  const add = (value, textContent) => marks.append(make("option", { value, textContent }));
  if (labelled) add("labels", detection ? "found, lost, false by the labels" : "errors against the labels");
  if (detection || !labelled) add("original", detection ? "found, lost, false by the boxes on the original" : "changes from the original");
  add("class", "class");
  if (!detection) marks.value = "class";
  const colouring = make("label", {}, "Colours: ", marks);
  const least = make("input", { type: "range", id: "least", min: 0.2, max: 0.9, step: 0.05, value: 0.3, oninput: () => draw() });
  const shown = make("output");
  const score = make("label", {}, "from score ", least, shown);
  score.hidden = !detection;

  const layer = (side) => {
    const picture = make("img", { alt: "" }), map = make("img", { className: "map", alt: "" }), tag = make("span", { className: "tag" });
    const boxes = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    boxes.setAttribute("aria-hidden", "true");
    return { side, picture, map, boxes, tag, all: make("div", { className: `side ${side}` }, picture, map, boxes, tag) };
  };
  const layers = [layer("left"), layer("right")];
  const slider = make("input", { type: "range", id: "split", min: 0, max: 100, step: 1, value: 50, ariaLabel: "Where the left image ends" });
  const handle = make("div", { className: "handle" });
  const stage = make("div", { className: "stage" }, layers[0].all, layers[1].all, slider, handle);
  const legend = make("ul", { className: "legend" }), note = make("p", { className: "note", id: "gallery-note" });
  const split = () => {
    handle.style.left = `${slider.value}%`;
    layers[1].all.style.clipPath = `inset(0 0 0 ${slider.value}%)`;
    layers[0].all.style.clipPath = `inset(0 ${100 - slider.value}% 0 0)`;
    slider.setAttribute("aria-valuetext", `${slider.value} % ${state.left}, the rest ${state.right}`);
  };
  slider.addEventListener("input", split);

  const column = (side) => make("div", {}, make("label", {}, `${sides[side].label} `, sides[side].select), sides[side].about);
  const below = make("div", { className: "sides" }, column("left"), column("right"));
  place.replaceChildren(make("p", { className: "note", textContent: how() }), picks,
    make("div", { className: "controls" }, rate, make("label", {}, "Overlay: ", over), colouring, score), stage,
    below, legend, note);

  function how() {
    const others = rates.length > 1 ? " At the other rates the operating points nearest to them are shown." : "";
    const rate = gallery.target_bpp ? ` At ${report.rate(gallery.target_bpp)}, the rate that most codecs reach, every codec is set to about the same number of bytes; the exact number stands below each image.${others}` : "";
    return `The images are spread evenly over the data set; nobody chose them.${rate} Drag over the image, or use the arrow keys.`;
  }
  const overlay = (shown) => (over.value === "none" || !shown ? null : over.value === "labels" ? gallery.images[state.image].labels : shown.found[Number(over.value)]);
  const about = (shown) => {
    if (!shown) return "There is no image of this codec; the reason stands under “Failed and skipped”.";
    const facts = [shown.point, `${shown.bytes.toLocaleString("en")} bytes`, `${report.rate(bpp(shown))}`, shown.psnr === null ? "lossless" : `${shown.psnr.toFixed(2)} dB`].filter(Boolean).join(" · ");
    const again = shown.picture.psnr === null ? "" : ` Re-encoded for this page at ${shown.picture.psnr.toFixed(1)} dB.`;
    const unread = Number(over.value) >= 0 && !shown.found[Number(over.value)] ? " This head does not read this codec." : "";
    return `${facts}.${shown.note ? ` (${shown.note[0].toUpperCase()}${shown.note.slice(1)}.)` : ""}${again}${unread}`;
  };

  /* Boxes that agree in class with at least half of their union in common, the surest first; the others are lost or false. */
  const union = ([a, b, c, d], [e, f, g, h]) => {
    const common = Math.max(0, Math.min(c, g) - Math.max(a, e)) * Math.max(0, Math.min(d, h) - Math.max(b, f));
    return common / ((c - a) * (d - b) + (g - e) * (h - f) - common || 1);
  };
  const compared = (boxes, reference) => {
    const free = new Set(reference.keys());
    const own = boxes.map((box) => {
      const fitting = [...free].filter((n) => reference[n][5] === box[5]).sort((m, n) => union(reference[n], box) - union(reference[m], box));
      if (!fitting.length || union(reference[fitting[0]], box) < 0.5) return "false";
      free.delete(fitting[0]);
      return "found";
    });
    return { own, lost: [...free].map((n) => reference[n]) };
  };
  const least_score = (boxes) => boxes.filter((box) => box[4] >= Number(least.value));
  /* What a head's boxes are held against; null where there is nothing of the kind. */
  const reference = () => {
    if (over.value === "none" || over.value === "labels" || marks.value === "class") return null;
    if (marks.value === "labels") return gallery.images[state.image].labels?.boxes ?? null;
    const original = tileOf(first)?.found[Number(over.value)]?.boxes;
    return original ? least_score(original) : null;
  };

  const look = {
    found: { colour: "#00b386", dash: "none", text: "found: agrees in class, half of the union in common" },
    lost: { colour: "#e0218a", dash: "6 3", text: "lost: nothing was found there" },
    false: { colour: "#ff9500", dash: "2 3", text: "false: nothing is there" },
  };

  const draw = () => {
    const image = gallery.images[state.image], [, , height, width] = image.window;
    [...picks.children].forEach((button, n) => button.setAttribute("aria-pressed", n === state.image));
    stage.style.aspectRatio = `${width} / ${height}`;
    stage.style.maxWidth = below.style.maxWidth = `${Math.max(2 * width, 320)}px`;
    shown.textContent = Number(least.value).toFixed(2);
    at.value = state.rate;
    colouring.hidden = over.value === "none" || over.value === "labels";
    const seen = new Set(), held = reference(), kinds = new Set();
    for (const { side, picture, map, boxes, tag } of layers) {
      const chosen = tile(side), drawn = overlay(chosen);
      sides[side].select.value = state[side];
      sides[side].about.textContent = about(chosen);
      picture.hidden = !chosen;
      if (chosen) {
        picture.src = source(chosen.picture);
        picture.alt = `${image.image} by ${chosen.codec}`;
      }
      const errors = marks.value !== "class" && drawn?.errors;
      map.hidden = !drawn?.map;
      if (drawn?.map) map.src = `data:image/webp;base64,${errors || drawn.map}`;
      map.style.opacity = errors ? 0.85 : "";
      tag.textContent = chosen ? `${chosen.codec} ${chosen.point}` : state[side];
      boxes.setAttribute("viewBox", `0 0 ${width} ${height}`);
      const sure = least_score(drawn?.boxes ?? []), held_against = held && drawn?.boxes ? compared(sure, held) : null;
      boxes.replaceChildren(...sure.flatMap((box, n) => {
        const kind = held_against?.own[n];
        kind ? kinds.add(kind) : seen.add(box[5]);
        const outline = drawn.outlines?.[drawn.boxes.indexOf(box)];
        return outline === undefined ? [rectangle(box, kind)] : [shape(outline, box, kind), rectangle(box, kind)];
      }), ...(held_against?.lost ?? []).map((box) => { kinds.add("lost"); return rectangle(box, "lost"); }));
      if (held_against) {
        const count = (kind) => held_against.own.filter((own) => own === kind).length;
        sides[side].about.textContent += ` ${count("found")} found, ${held_against.lost.length} lost, ${count("false")} false.`;
      }
      if (drawn?.map && errors) Object.keys(gallery.errors).forEach((kind) => kinds.add(kind));
      else if (drawn?.map) gallery.classes.forEach((_, n) => seen.add(n));
    }
    const entry = (colour, text) => { const mark = make("i"); mark.style.background = colour; return make("li", {}, mark, text); };
    legend.replaceChildren(
      ...[...Object.keys(look), ...Object.keys(gallery.errors)].filter((kind) => kinds.has(kind)).map((kind) => (gallery.errors[kind] ? entry(gallery.errors[kind], kind) : entry(look[kind].colour, look[kind].text))),
      ...[...seen].sort((a, b) => a - b).map((n) => entry(gallery.colours[n], gallery.classes[n])));
    note.textContent = (height < image.image_hw[0] || width < image.image_hw[1] ? `The middle ${width}×${height} pixels of ${image.image_hw[1]}×${image.image_hw[0]}; bytes and dB are of the whole image. ` : "")
      + "The images were encoded once more for this page, as small files with full colour; the loss of that stands beside each, in dB against the codec's decoded image.";
    split();
  };
  const drawing = (name, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
    return element;
  };
  const rectangle = ([left, top, right, bottom, , n], kind) =>
    drawing("rect", { x: left, y: top, width: right - left, height: bottom - top, fill: "none", stroke: kind ? look[kind].colour : gallery.colours[n], "stroke-width": 2, "vector-effect": "non-scaling-stroke", ...(kind ? { "data-kind": kind, "stroke-dasharray": look[kind].dash } : {}) });
  const shape = (path, box, kind) => drawing("path", { d: path, fill: kind ? look[kind].colour : gallery.colours[box[5]], "fill-opacity": 0.4, "fill-rule": "evenodd" });
  /* A point of a curve: its codec beside the original, at the gallery's rate that is nearest to it. */
  report.showImage = (codec, rate) => {
    if (!names.includes(codec)) return;
    const nearest = [...rates.keys()].sort((a, b) => apart(rates[a], rate) - apart(rates[b], rate))[0];
    Object.assign(state, { left: first, right: codec, rate: nearest ?? 0 });
    draw();
    document.getElementById("pictures").scrollIntoView();
    at.focus({ preventScroll: true });
  };
  draw();
})();
