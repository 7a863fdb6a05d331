"use strict";
// Tips, pan and zoom, and lines that light up with their boxes. The page works without it, too:
// boxes are links to lines, and the views are switched by style.

const tip = document.createElement("div");
tip.id = "tip";
tip.hidden = true;
document.body.append(tip);

function showTip(event) {
  const owner = event.target.closest("[data-tip]");
  tip.hidden = !owner || event.buttons > 0;
  if (tip.hidden) return;
  tip.textContent = owner.dataset.tip;
  const { width, height } = tip.getBoundingClientRect();
  const right = event.clientX + 14 + width < innerWidth;
  const below = event.clientY + 14 + height < innerHeight;
  tip.style.left = Math.max(0, right ? event.clientX + 14 : event.clientX - 10 - width) + "px";
  tip.style.top = Math.max(0, below ? event.clientY + 14 : event.clientY - 10 - height) + "px";
}
document.addEventListener("pointermove", showTip);
document.addEventListener("pointerdown", () => { tip.hidden = true; });
document.documentElement.addEventListener("pointerleave", () => { tip.hidden = true; });

const byLine = new Map();
for (const part of document.querySelectorAll("[data-line]")) {
  const line = part.dataset.line;
  if (!byLine.has(line)) byLine.set(line, []);
  byLine.get(line).push(part);
}
let lit = null;
document.addEventListener("pointerover", (event) => {
  const line = event.target.closest("[data-line]")?.dataset.line ?? null;
  if (line === lit) return;
  for (const part of byLine.get(lit) ?? []) part.classList.remove("hot");
  for (const part of byLine.get(line) ?? []) part.classList.add("hot");
  lit = line;
});

const boards = [];
for (const svg of document.querySelectorAll(".canvas svg")) {
  const [x, y, w, h] = svg.getAttribute("viewBox").split(/[ ,]+/).map(Number);
  const whole = { x, y, w, h };
  const view = { ...whole };
  const apply = () => svg.setAttribute("viewBox", `${view.x} ${view.y} ${view.w} ${view.h}`);

  // Around a point in the drawing's own coordinates.
  const zoom = (factor, cx = view.x + view.w / 2, cy = view.y + view.h / 2) => {
    const size = Math.min(Math.max(view.w * factor, whole.w / 200), whole.w * 4);
    const real = size / view.w;
    view.x = cx - (cx - view.x) * real;
    view.y = cy - (cy - view.y) * real;
    view.w *= real;
    view.h *= real;
    apply();
  };
  const fit = () => { Object.assign(view, whole); apply(); };
  const at = (event) => {
    const point = new DOMPoint(event.clientX, event.clientY);
    return point.matrixTransform(svg.getScreenCTM().inverse());
  };

  svg.addEventListener("wheel", (event) => {
    event.preventDefault();
    const point = at(event);
    zoom(Math.exp(Math.sign(event.deltaY) * Math.min(Math.abs(event.deltaY), 100) / 400), point.x, point.y);
  }, { passive: false });

  let start = null;
  let moved = false;
  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    start = at(event);
    moved = false;
  });
  svg.addEventListener("pointermove", (event) => {
    if (start === null) return;
    const point = at(event);
    const scale = svg.getScreenCTM().a;
    if (!moved && Math.hypot(point.x - start.x, point.y - start.y) * scale < 4) return;
    if (!moved) svg.setPointerCapture(event.pointerId);
    moved = true;
    svg.classList.add("dragged");
    view.x += start.x - point.x;
    view.y += start.y - point.y;
    apply();
  });
  const drop = () => { start = null; svg.classList.remove("dragged"); };
  svg.addEventListener("pointerup", drop);
  svg.addEventListener("pointercancel", drop);
  svg.addEventListener("dragstart", (event) => event.preventDefault());
  // The end of a drag is no click on the box below it.
  svg.addEventListener("click", (event) => { if (moved) event.preventDefault(); }, true);
  boards.push({ svg, zoom, fit });
}
for (const button of document.querySelectorAll("[data-zoom]")) {
  button.addEventListener("click", () => {
    for (const board of boards) {
      if (board.svg.getClientRects().length === 0) continue;
      if (button.dataset.zoom === "fit") board.fit();
      else board.zoom(button.dataset.zoom === "in" ? 0.7 : 1 / 0.7);
    }
  });
}
