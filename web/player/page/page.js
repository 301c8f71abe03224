// A page around a model: a pad for digits, pictures for all. At most one
// prediction is under way; what is drawn meanwhile is predicted once when it is
// done, so that the page keeps up with any pen on any machine.

import { WebGPUUnavailableError, load } from "./model.js";

const $ = (id) => document.getElementById(id);
const LINE = 0.075; // of the pad's side
const RANKS = 10; // bars, at most
const SMALL = 140;

let net, wanted, busy = false;
const strokes = [];

/** What a visitor can do about it. */
function noWebGPU() {
  if (!isSecureContext) return "Open this page by an address that begins with https:// or http://localhost.";
  return navigator.gpu
    ? "Switch on graphics acceleration in the browser's settings and update the graphics driver; remote desktops and virtual machines often have no graphics card."
    : "Chrome and Edge have it from version 113 (Android: 121), Safari from 26, Firefox from 141 on Windows and 145 on Macs: update the browser, or open this address in one of these.";
}

function fail(error, hint = "") {
  $("error").textContent = `${error.message[0].toUpperCase()}${error.message.slice(1)}.${hint && ` ${hint}`}`;
  $("error").hidden = false;
}

async function start() {
  const phases = { weights: "Loading the weights", kernels: "Preparing the GPU" }, share = { weights: 0, kernels: 0 };
  try {
    net = await load(undefined, {
      progress({ phase, done, total }) {
        share[phase] = done / total;
        $("progress").value = (share.weights + share.kernels) / 2;
        $("phase").textContent = `${phases[phase]} (${Math.round((100 * done) / total)} %)`;
      },
    });
  } catch (e) {
    const hint = e instanceof WebGPUUnavailableError ? noWebGPU() : "Reload the page to try again.";
    $("loading").hidden = true;
    $("about").textContent = "This model cannot run here.";
    return fail(e, hint);
  }
  const { model, classes, input, inputs, adapter } = net.info;
  if (inputs) return (await import("./form.js")).form(net, fail);
  const digits = input.fit === "digit" && classes.length === 10 && classes.every((c, i) => c === String(i));
  document.title = $("title").textContent = model;
  $("about").textContent = digits ? "Draw a digit: everything happens in this page." : "Show it a picture: everything happens in this page, nothing is sent.";
  $("device").textContent = `WebGPU: ${[adapter.vendor, adapter.architecture].filter(Boolean).join(" ") || "graphics card"}${adapter.software ? " (in software, slower than on a graphics card)" : ""}`;
  for (const id of ["drawing", "undo", "clear"]) $(id).hidden = !digits;
  $("seen").classList.toggle("small", input.shape[1] <= 64);
  makeBars(digits);
  $("loading").hidden = true;
  $("stage").hidden = false;
  $("input").append($("error")); // what comes now moves nothing
  if (digits) pad();
  pictures();
  document.documentElement.dataset.ready = "yes";
}

const rows = [];
function makeBars(digits) {
  $("bars").classList.toggle("wide", !digits);
  for (let i = 0; i < Math.min(RANKS, net.info.classes.length || net.info.output.shape[0]); i++) {
    const row = document.createElement("li"), [name, bar, part] = ["name", "bar", "share"].map((c) => Object.assign(document.createElement("span"), { className: c }));
    const fill = bar.appendChild(document.createElement("i"));
    row.append(name, bar, part);
    $("bars").append(row);
    rows.push({ row, name, fill, part });
    if (digits) name.textContent = net.info.classes[i];
  }
}

/** Shows a result; for digits in their own order, else the likeliest first. */
function show(list, ms) {
  const inOrder = $("bars").classList.contains("wide") ? list : list.slice().sort((a, b) => a.index - b.index);
  rows.forEach(({ row, name, fill, part }, i) => {
    const c = inOrder[i];
    name.textContent = name.title = c.name;
    fill.style.width = `${100 * c.probability}%`;
    part.textContent = `${(100 * c.probability).toFixed(1)} %`;
    row.classList.toggle("best", c === list[0]);
  });
  $("best").textContent = list[0].name;
  $("time").textContent = `${ms.toFixed(1)} ms`;
}

function nothing() {
  for (const { row, fill, part } of rows) {
    fill.style.width = "0";
    part.textContent = "";
    row.classList.remove("best");
  }
  $("best").textContent = "–";
  $("time").textContent = "";
  $("seen").getContext("2d").clearRect(0, 0, $("seen").width, $("seen").height);
}

/** Predicts x (a function that gives a picture, or null for none) soon. */
async function predict(x) {
  wanted = x;
  if (busy) return;
  busy = true;
  try {
    while (wanted !== undefined) {
      const give = wanted;
      wanted = undefined;
      if (give === null) {
        nothing();
        continue;
      }
      const picture = give(), begin = performance.now();
      const y = await net(picture);
      const ms = performance.now() - begin;
      if (wanted === null) continue;
      show(net.top(y, Math.max(RANKS, rows.length)), ms);
      const seen = await net.view(picture);
      Object.assign($("seen"), { width: seen.width, height: seen.height });
      $("seen").getContext("2d").putImageData(new ImageData(seen.data, seen.width, seen.height), 0, 0);
      $("error").hidden = true;
      document.documentElement.dataset.predictions = Number(document.documentElement.dataset.predictions ?? 0) + 1;
    }
  } catch (e) {
    nothing();
    fail(e);
  } finally {
    busy = false;
  }
}

function pad() {
  const canvas = $("pad"), pen = canvas.getContext("2d", { willReadFrequently: true }), side = canvas.width;
  // What is predicted is drawn small: twenty pixels are left of it in the end.
  const small = Object.assign(document.createElement("canvas"), { width: SMALL, height: SMALL }), copy = small.getContext("2d", { willReadFrequently: true });
  copy.imageSmoothingQuality = "high";
  const read = () => {
    copy.drawImage(canvas, 0, 0, SMALL, SMALL);
    return copy.getImageData(0, 0, SMALL, SMALL);
  };
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let current = null;
  function draw() {
    const style = getComputedStyle(document.documentElement);
    pen.fillStyle = style.getPropertyValue("--ground");
    pen.fillRect(0, 0, side, side);
    pen.strokeStyle = pen.fillStyle = style.getPropertyValue("--ink");
    Object.assign(pen, { lineWidth: LINE * side, lineCap: "round", lineJoin: "round" });
    for (const points of strokes) {
      pen.beginPath();
      pen.moveTo(points[0][0] * side, points[0][1] * side);
      for (const [x, y] of points) pen.lineTo(x * side, y * side);
      pen.stroke();
      if (points.length === 1) { // a line of no length is not drawn
        pen.arc(points[0][0] * side, points[0][1] * side, (LINE * side) / 2, 0, 7);
        pen.fill();
      }
    }
    $("hint").hidden = strokes.length > 0;
    $("undo").disabled = $("clear").disabled = !strokes.length;
  }
  const changed = () => {
    draw();
    predict(strokes.length ? read : null);
  };
  const point = (e) => {
    const box = canvas.getBoundingClientRect();
    return [(e.clientX - box.left) / box.width, (e.clientY - box.top) / box.height];
  };
  canvas.addEventListener("pointerdown", (e) => {
    if (e.button || current) return;
    canvas.setPointerCapture(e.pointerId);
    current = { id: e.pointerId, points: [point(e)] };
    strokes.push(current.points);
    changed();
  });
  canvas.addEventListener("pointermove", (e) => {
    if (e.pointerId !== current?.id) return;
    for (const each of e.getCoalescedEvents?.() ?? [e]) current.points.push(point(each));
    changed();
  });
  for (const type of ["pointerup", "pointercancel"]) canvas.addEventListener(type, (e) => e.pointerId === current?.id && (current = null));
  $("undo").addEventListener("click", () => { strokes.pop(); changed(); });
  $("clear").addEventListener("click", () => { strokes.length = 0; changed(); });
  dark.addEventListener("change", draw);
  draw();
}

function pictures() {
  const take = async (file) => {
    if (!file) return;
    if ($("photo").src) URL.revokeObjectURL($("photo").src);
    try {
      const picture = await createImageBitmap(file);
      $("photo").src = URL.createObjectURL(file);
      $("photo").hidden = false;
      await predict(() => picture);
    } catch {
      $("photo").hidden = true;
      $("photo").removeAttribute("src");
      fail(new Error(`${file.name || "This"} is not a picture that the browser can read`));
    }
  };
  $("file").addEventListener("change", () => { take($("file").files[0]); $("file").value = ""; });
  addEventListener("paste", (e) => take(e.clipboardData?.files[0]));
  addEventListener("dragover", (e) => { e.preventDefault(); document.body.classList.add("over"); });
  addEventListener("dragleave", () => document.body.classList.remove("over"));
  addEventListener("drop", (e) => { e.preventDefault(); document.body.classList.remove("over"); take(e.dataTransfer?.files[0]); });
}

start();
