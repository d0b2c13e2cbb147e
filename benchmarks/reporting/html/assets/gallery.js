"use strict";
/* Two images under one slider: any two codecs, or the original, at about the same bytes, with predictions or labels over them. */
(() => {
  const gallery = JSON.parse(document.getElementById("gallery-data").textContent);
  if (!gallery) return;
  const { make } = report, place = document.getElementById("gallery");
  const detection = gallery.images.some((image) => [image.labels, ...image.tiles.flatMap((tile) => tile.found)].some((drawing) => drawing?.boxes));
  const state = { image: 0, left: 0, right: 0, split: 50 };
  const source = (picture) => `data:${picture.kind};base64,${picture.data}`;
  const tiles = () => gallery.images[state.image].tiles;
  const tile = (side) => tiles().find(({ codec }) => codec === state[side]);

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
    make("div", { className: "controls" }, make("label", {}, "Overlay: ", over), score), stage,
    below, legend, note);

  function how() {
    const rate = gallery.target_bpp ? ` Every codec spends about the bytes of ${gallery.target_bpp.toPrecision(3)} bits per pixel, the rate that most of them reach; its own bytes stand below its image.` : "";
    return `The images lie at the middles of equal parts of the data set, so that nobody selected them.${rate} Drag over the image, or use the arrow keys.`;
  }
  const overlay = (shown) => (over.value === "none" || !shown ? null : over.value === "labels" ? gallery.images[state.image].labels : shown.found[Number(over.value)]);
  const about = (shown) => {
    if (!shown) return "There is no image of this codec; the reason stands under “Failed and skipped”.";
    const [height, width] = gallery.images[state.image].image_hw;
    const facts = [shown.point, `${shown.bytes.toLocaleString("en")} bytes`, `${(8 * shown.bytes / (height * width)).toFixed(3)} bpp`, shown.psnr === null ? "lossless" : `${shown.psnr.toFixed(2)} dB`].filter(Boolean).join(" · ");
    const again = shown.picture.psnr === null ? "" : ` Re-encoded for this page at ${shown.picture.psnr.toFixed(1)} dB.`;
    const unread = Number(over.value) >= 0 && !shown.found[Number(over.value)] ? " This head does not read this codec." : "";
    return `${facts}.${shown.note ? ` (${shown.note[0].toUpperCase()}${shown.note.slice(1)}.)` : ""}${again}${unread}`;
  };

  const draw = () => {
    const image = gallery.images[state.image], [, , height, width] = image.window;
    [...picks.children].forEach((button, n) => button.setAttribute("aria-pressed", n === state.image));
    stage.style.aspectRatio = `${width} / ${height}`;
    stage.style.maxWidth = below.style.maxWidth = `${Math.max(2 * width, 320)}px`;
    shown.textContent = Number(least.value).toFixed(2);
    const seen = new Set();
    for (const { side, picture, map, boxes, tag } of layers) {
      const chosen = tile(side), drawn = overlay(chosen);
      sides[side].select.value = state[side];
      sides[side].about.textContent = about(chosen);
      picture.hidden = !chosen;
      if (chosen) {
        picture.src = source(chosen.picture);
        picture.alt = `${image.image} by ${chosen.codec}`;
      }
      map.hidden = !drawn?.map;
      if (drawn?.map) map.src = `data:image/webp;base64,${drawn.map}`;
      tag.textContent = chosen ? `${chosen.codec} ${chosen.point}` : state[side];
      boxes.setAttribute("viewBox", `0 0 ${width} ${height}`);
      boxes.replaceChildren(...(drawn?.boxes ?? []).flatMap((box, n) => {
        if (box[4] < Number(least.value)) return [];
        seen.add(box[5]);
        return drawn.outlines ? [shape(drawn.outlines[n], box), rectangle(box)] : [rectangle(box)];
      }));
      if (drawn?.map) gallery.classes.forEach((_, n) => seen.add(n));
    }
    legend.replaceChildren(...[...seen].sort((a, b) => a - b).map((n) => { const mark = make("i"); mark.style.background = gallery.colours[n]; return make("li", {}, mark, gallery.classes[n]); }));
    note.textContent = (height < image.image_hw[0] || width < image.image_hw[1] ? `The middle ${width}×${height} pixels of ${image.image_hw[1]}×${image.image_hw[0]}; bytes and dB are of the whole image. ` : "")
      + "The images were encoded once more for this page, as small files with full colour; the loss of that stands beside each, in dB against the codec's decoded image.";
    split();
  };
  const drawing = (name, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
    return element;
  };
  const rectangle = ([left, top, right, bottom, , n]) =>
    drawing("rect", { x: left, y: top, width: right - left, height: bottom - top, fill: "none", stroke: gallery.colours[n], "stroke-width": 2, "vector-effect": "non-scaling-stroke" });
  const shape = (path, box) => drawing("path", { d: path, fill: gallery.colours[box[5]], "fill-opacity": 0.4, "fill-rule": "evenodd" });
  draw();
})();
