"use strict";
(() => {
const about = JSON.parse(document.getElementById("data").textContent);
const bytes = document.documentElement.outerHTML.length;
const { program, prior, references } = about;
const [channels, height, width] = about.shape;
const $ = (id) => document.getElementById(id);
const floats = (text) => new Float32Array(fromBase64(text).buffer);
const make = (tag, more = {}, ...inside) => { const e = Object.assign(document.createElement(tag), more); e.append(...inside); return e; };

// ---------------------------------------------------------------- the engine, beside the page

class Runner {  // one picture at a time; of several asked for under one key only the last is made
  constructor() {
    this.waiting = new Map();
    this.busy = null;
    this.number = 0;
    this.times = [];
    const weights = fromBase64($("weights").textContent).buffer;
    let module = fromBase64($("wasm").textContent).buffer;
    if (typeof WebAssembly === "undefined" || !WebAssembly.validate(module)) module = null;
    $("weights").remove();
    this.ready = new Promise((resolve) => {
      const here = () => {  // a browser that lets no file start a worker
        this.worker = null;
        this.engine = new Engine(program, weights, module);
        this.fast = this.engine.products !== null;
        resolve();
      };
      try {
        const url = URL.createObjectURL(new Blob([$("engine").textContent], { type: "text/javascript" }));
        this.worker = new Worker(url);
        this.worker.onerror = (event) => { event.preventDefault(); if (this.fast === undefined) here(); };
        this.worker.onmessage = ({ data }) => {
          if (data.ready) { this.fast = data.fast; resolve(); } else this.done(data);
        };
        this.worker.postMessage({ program, weights, module });
      } catch (error) { here(); }
    });
  }

  run(key, name, inputs) {
    return new Promise((resolve, reject) => {
      const before = this.waiting.get(key);
      if (before) before.resolve(null);
      this.waiting.set(key, { name, inputs, resolve, reject });
      this.next();
    });
  }

  next() {
    if (this.busy || !this.waiting.size) return;
    const key = this.waiting.has("picture") ? "picture" : this.waiting.keys().next().value;
    const job = this.waiting.get(key);
    this.waiting.delete(key);
    this.busy = job;
    const message = { id: ++this.number, name: job.name, inputs: job.inputs };
    this.ready.then(() => {
      if (this.worker) { this.worker.postMessage(message); return; }
      setTimeout(() => {
        const start = performance.now();
        try { this.done({ result: this.engine.run(job.name, job.inputs), ms: performance.now() - start }); }
        catch (error) { this.done({ error: String(error) }); }
      });
    });
  }

  done({ result, error, ms }) {
    const job = this.busy;
    this.busy = null;
    if (error) job.reject(new Error(error));
    else { if (job.name !== "encode" && job.name !== "text") this.times.push(ms); job.resolve(result); }
    this.next();
  }
}

// ---------------------------------------------------------------- random numbers: genarium.exports.draws

const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24];

function uniform(seed, sample, place) {
  const k = [seed >>> 0, Math.floor(seed / 4294967296) >>> 0];
  k.push((0x1BD11BDA ^ k[0] ^ k[1]) >>> 0);
  let x = (sample + k[0]) | 0, y = (place + k[1]) | 0;
  for (let n = 0; n < 20; n++) {
    x = (x + y) | 0;
    const by = ROTATIONS[n % 8];
    y = ((y << by) | (y >>> (32 - by))) ^ x;
    if (n % 4 === 3) {
      const turn = (n >> 2) + 1;
      x = (x + k[turn % 3]) | 0;
      y = (y + k[(turn + 1) % 3] + turn) | 0;
    }
  }
  return ((x >>> 0) * 2097152 + (y >>> 11) + 0.5) / 9007199254740992;
}

const CENTRE = [[2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457, 13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608],
  [5226.495278852545925, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867, 5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1]];
const NEAR = [[7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258, 3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734],
  [1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459, 0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1]];
const FAR = [[2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093, 0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772],
  [2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4, 0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1]];

function ratio(x, [above, below]) {
  const at = (c) => c.reduce((sum, value) => sum * x + value, 0);
  return at(above) / at(below);
}

function normal(u) {  // Wichura 1988, AS 241
  const q = u - 0.5;
  if (Math.abs(q) <= 0.425) return q * ratio(0.180625 - q * q, CENTRE);
  const r = Math.sqrt(-Math.log(Math.min(u, 1 - u)));
  return Math.sign(q) * (r <= 5 ? ratio(r - 1.6, NEAR) : ratio(r - 5, FAR));
}

// ---------------------------------------------------------------- codes

const state = { seed: 0, sample: 0, shown: 24, spread: 1, code: null, edited: false, from: null, to: null, fixed: new Map() };
let parts = [], rows = null, table = null;
if (prior) {
  let at = prior.latent;
  parts = prior.parts.map(([name, values, low, high]) => {
    const part = { name, values, low, high, at, size: values.length || 1 };
    at += part.size;
    return part;
  });
  rows = prior.rows && floats(prior.rows);
  table = prior.table && floats(prior.table);
  state.spread = prior.temperature;
}
const conditions = prior ? prior.size - prior.latent : 0;

function draw(seed, sample, spread = state.spread, fixed = state.fixed) {
  const code = new Float32Array(prior.size);
  if (table) {
    const at = (sample % (table.length / prior.size)) * prior.size;
    code.set(table.subarray(at, at + prior.size));
    return code;
  }
  for (let i = 0; i < prior.latent; i++) {
    code[i] = spread * normal(prior.outside + (1 - 2 * prior.outside) * uniform(seed, sample, i));
  }
  if (rows) {
    const row = Math.floor(uniform(seed, sample, prior.latent) * (rows.length / conditions)) * conditions;
    code.set(rows.subarray(row, row + conditions), prior.latent);
  } else parts.forEach((part, i) => {
    const u = uniform(seed, sample, prior.latent + i);
    if (part.values.length) code[part.at + Math.floor(u * part.values.length)] = 1;
    else code[part.at] = part.low + u * (part.high - part.low);
  });
  for (const put of fixed.values()) put(code);
  return code;
}

function between(a, b, t) {  // as genarium.latent.interpolate: along the sphere where codes are noise
  const code = new Float32Array(a.length), n = table ? 0 : prior.latent;
  for (let i = n; i < a.length; i++) code[i] = (1 - t) * a[i] + t * b[i];
  let la = 0, lb = 0, minus = 0, plus = 0;
  for (let i = 0; i < n; i++) { la += a[i] * a[i]; lb += b[i] * b[i]; }
  la = Math.sqrt(la); lb = Math.sqrt(lb);
  for (let i = 0; i < n; i++) { const x = a[i] / (la || 1), y = b[i] / (lb || 1); minus += (x - y) ** 2; plus += (x + y) ** 2; }
  const angle = 2 * Math.atan2(Math.sqrt(minus), Math.sqrt(plus)), sine = Math.sin(angle);
  const flat = sine < 1e-4 || !la || !lb, long = (1 - t) * la + t * lb;
  for (let i = 0; i < n; i++) {
    code[i] = flat ? (1 - t) * a[i] + t * b[i]
      : long * (Math.sin((1 - t) * angle) * a[i] / la + Math.sin(t * angle) * b[i] / lb) / sine;
  }
  return code;
}

// ---------------------------------------------------------------- pictures

const wide = about.each ? channels * (width + 1) - 1 : width;

function paint(canvas, x) {
  canvas.width = wide; canvas.height = height;
  const image = new ImageData(wide, height), size = height * width, data = image.data;
  const level = (c, i) => 127.5 + 127.5 * x[c * size + i];
  if (about.each) {
    data.fill(128);
    for (let c = 0; c < channels; c++) for (let r = 0; r < height; r++) for (let s = 0; s < width; s++) {
      const at = 4 * (r * wide + c * (width + 1) + s);
      data[at] = data[at + 1] = data[at + 2] = level(c, r * width + s);
    }
    for (let i = 3; i < data.length; i += 4) data[i] = 255;
  } else {
    const s = about.shown, use = s.length === 1 ? [s[0], s[0], s[0]] : s.length === 2 ? [s[0], s[1], s[0]] : s;
    for (let i = 0; i < size; i++) {
      for (let c = 0; c < 3; c++) data[4 * i + c] = level(use[c], i);
      data[4 * i + 3] = 255;
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

const runner = new Runner();
const failed = (error) => { $("check").textContent = `The page failed: ${error.message}`; $("check").className = "check bad"; };
async function show(key, canvas, code) {
  const x = await runner.run(key, "decode", { codes: code }).catch(failed);
  if (x) paint(canvas, x);
}

function refresh() {
  show("picture", $("picture"), state.code);
  for (const control of controls) control();
}

function choose(code, sample = null) {
  state.code = code.slice();
  state.edited = sample === null;
  if (sample !== null) state.sample = sample;
  $("which").textContent = sample === null ? "between samples" : table ? `picture ${sample + 1}` : `sample ${sample}`;
  for (const thumb of $("grid").children) thumb.setAttribute("aria-current", String(sample !== null && +thumb.dataset.sample === sample));
  if (sample !== null && prior && !table) history.replaceState(null, "", `#seed=${state.seed}&sample=${sample}`);
  python();
  refresh();
}

// ---------------------------------------------------------------- controls

const controls = [];

function slider(name, low, high, read, write, effect, dead) {
  const id = `slider-${controls.length}`;
  const input = make("input", { type: "range", id, min: low, max: high, step: (high - low) / 200 || 0.01 });
  const value = make("output");
  const bar = make("span", { className: "strength", title: `moves the picture by ${effect.toFixed(1)} of 255 grey levels` });
  bar.style.width = `${Math.max(1, 100 * effect / (about.sliders.length ? about.sliders[0][1] || 1 : effect || 1))}%`;
  input.addEventListener("input", () => { write(+input.value); edited(); });
  controls.push(() => { input.value = read(); value.textContent = read().toFixed(2); });
  return make("div", { className: dead ? "slider dead" : "slider" }, make("label", { htmlFor: id, textContent: name }),
    make("div", {}, input, bar), value);
}

function edited(by = true) {
  state.edited = state.edited || by;
  $("which").textContent = `${table ? `picture ${state.sample + 1}` : `sample ${state.sample}`}${state.edited ? ", changed" : ""}`;
  refresh();
}

function sliders() {
  const all = about.sliders, alive = all.filter(([, effect]) => effect >= about.dead), first = Math.min(12, Math.max(alive.length, 1));
  const box = $("sliders"), dead = all.length - alive.length;
  if (!all.length) {
    $("stage").classList.add("plain");
    $("sliders-note").textContent = "Each number of this model's code is the noise of one pixel, so no single one says much: look at samples and walks instead.";
    $("reset").hidden = true;
    return;
  }
  const count = all.length === 1 ? "1 number" : `${all.length} numbers`;
  $("sliders-note").textContent = `The code has ${count}; the strongest come first, the line shows how much each moves the picture.` +
    (dead ? ` ${dead} of them move nothing that can be seen.` : "");
  const add = ([column, effect, low, high]) => box.append(slider(`z${column}`, low, high, () => state.code[column],
    (value) => { state.code[column] = value; }, effect, effect < about.dead));
  all.slice(0, first).forEach(add);
  const rest = all.slice(first, 1000);
  $("more").hidden = !rest.length;
  $("more").textContent = `Show ${rest.length} more`;
  $("more").addEventListener("click", () => { rest.forEach(add); $("more").hidden = true; refresh(); });
}

function fix(name, put) {
  if (put) state.fixed.set(name, put); else state.fixed.delete(name);
  if (put) put(state.code);
  else if (!table) { state.code = draw(state.seed, state.sample); state.edited = false; }
  edited(false);
  grid();
}

function choices(name, values, put, current) {
  const box = make("div", { className: "condition" }, make("span", { textContent: name }));
  const chosen = { value: -1 };
  const pick = (value) => { chosen.value = value; fix(name, value < 0 ? null : (code) => put(code, value)); };
  if (values.length > 24) {
    const select = make("select", { ariaLabel: name }, make("option", { value: -1, textContent: "any" }),
      ...values.map((text, value) => make("option", { value, textContent: text })));
    select.addEventListener("change", () => pick(+select.value));
    box.append(select);
  } else {
    const buttons = ["any", ...values].map((text, i) => make("button", { type: "button", textContent: text, onclick: () => pick(i - 1) }));
    box.append(make("div", { className: "row" }, ...buttons));
    controls.push(() => buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(chosen.value < 0 ? i === 0 : i - 1 === chosen.value))));
  }
  $("conditions").append(box);
}

function conditionControls() {
  for (const part of parts) {
    if (part.values.length) choices(part.name, part.values, (code, value) => {
      code.fill(0, part.at, part.at + part.size); code[part.at + value] = 1;
    });
    else $("conditions").append(slider(part.name, part.low, part.high, () => state.code[part.at], (value) => { state.code[part.at] = value; }, 0, false));
  }
  if (!prior.texts.length) return;
  choices("caption", prior.texts, (code, row) => code.set(rows.subarray(row * conditions, (row + 1) * conditions), prior.latent));
  if (!program.functions.text) return;
  const input = make("input", { type: "text", placeholder: "or your own words", ariaLabel: "your own caption" });
  input.addEventListener("input", async () => {
    const bytes = new TextEncoder().encode(input.value).subarray(0, about.caption_bytes);
    const padded = new Float32Array(about.caption_bytes);
    padded.set(bytes);
    const embedding = await runner.run("text", "text", { captions: padded }).catch(failed);
    if (embedding) fix("caption", (code) => code.set(embedding, prior.latent));
  });
  $("conditions").lastChild.append(input);
}

// ---------------------------------------------------------------- samples and walks

function grid() {
  const count = table ? table.length / prior.size : state.shown;
  while ($("grid").children.length > count) $("grid").lastChild.remove();
  for (let n = 0; n < count; n++) {
    let thumb = $("grid").children[n];
    if (!thumb) {
      const label = table ? `picture ${n + 1}` : `sample ${n}`;
      thumb = make("button", { type: "button", className: "thumb", ariaLabel: label, onclick: () => choose(draw(state.seed, n), n) }, make("canvas"));
      thumb.dataset.sample = n;
      thumb.firstChild.width = wide; thumb.firstChild.height = height;
      $("grid").append(thumb);
    }
    show(`grid${n}`, thumb.firstChild, draw(state.seed, n));
  }
}

function tableNote() {
  if (!table) return;
  $("grid-title").textContent = "Test pictures, through their codes";
  $("grid-note").textContent = `This model has no prior to draw from: these are the codes of ${table.length / prior.size} test pictures, decoded.`;
  $("grid-note").hidden = false;
}

const FRAMES = 9;
function strip() {
  $("walk-note").textContent = `From one code to the other, ${table ? "on a straight line" : "on the sphere that codes lie on"}; tap a frame to take its code. Set the ends with “Walk from here” and “Walk to here”.`;
  for (let i = 0; i < FRAMES; i++) {
    let frame = $("strip").children[i];
    if (!frame) {
      frame = make("button", { type: "button", className: "thumb", ariaLabel: `frame ${i + 1} of ${FRAMES}` }, make("canvas"));
      frame.onclick = () => { $("along").value = i / (FRAMES - 1); along(); };
      $("strip").append(frame);
    }
    show(`strip${i}`, frame.firstChild, between(state.from, state.to, i / (FRAMES - 1)));
  }
}

function along() { choose(between(state.from, state.to, +$("along").value)); }

let playing = 0;
function play() {
  if (playing) { cancelAnimationFrame(playing); playing = 0; $("play").textContent = "Play"; return; }
  $("play").textContent = "Stop";
  const start = performance.now(), offset = Math.acos(1 - 2 * +$("along").value);
  const step = (now) => {
    $("along").value = (1 - Math.cos(offset + (now - start) / 1200)) / 2;
    along();
    playing = requestAnimationFrame(step);
  };
  playing = requestAnimationFrame(step);
}

// ---------------------------------------------------------------- a picture of one's own

function drawingPad() {
  const [c, h, w] = about.given, pad = $("pad"), context = pad.getContext("2d", { willReadFrequently: true });
  const translates = !prior;
  pad.width = w; pad.height = h;
  $("pad-title").textContent = translates ? "Draw, and see it translated" : "Your own picture";
  $("pad-note").textContent = translates ? `The model turns pictures of one kind (${about.direction[0]}) into another (${about.direction[2]}).`
    : "The encoder makes a code of it, and the decoder a picture of that code: what the model can say of your picture.";
  $("back-name").textContent = translates ? "what the model makes of it" : "what comes back";
  $("take").hidden = translates;
  const first = floats(references.stored || references.given);
  const { low, high, eight_bit } = about.values, end = (ends, channel) => ends[ends.length > 1 ? channel : 0];
  // most corners decide what an empty sheet is
  let corners = 0;
  for (let n = 0; n < references.count; n++) for (const at of [0, w - 1, (h - 1) * w, h * w - 1]) {
    corners += (first[n * c * h * w + at] - end(low, 0)) / (end(high, 0) - end(low, 0)) - 0.5;
  }
  const dark = corners < 0, sheet = dark ? "#000000" : "#ffffff";
  const palette = [dark ? "#ffffff" : "#000000", sheet, ...(c === 3 ? ["#d92b2b", "#e8a317", "#2f9e44", "#1c7ed6", "#7048e8", "#8d5a2b"] : ["#808080"])];
  let colour = palette[0];
  for (const value of palette) {
    const button = make("button", { type: "button", className: "swatch", ariaLabel: `colour ${value}` });
    button.style.background = value;
    button.onclick = () => { colour = value; for (const b of $("colours").children) b.setAttribute("aria-pressed", String(b === button)); };
    button.setAttribute("aria-pressed", String(value === colour));
    $("colours").append(button);
  }
  $("brush").max = Math.max(3, h / 8); $("brush").value = h / 20;
  const blank = () => { context.fillStyle = sheet; context.fillRect(0, 0, w, h); };
  let code = null;

  async function look() {
    const pixels = context.getImageData(0, 0, w, h).data, x = new Float32Array(c * h * w);
    for (let i = 0; i < h * w; i++) {
      const [r, g, b] = pixels.subarray(4 * i, 4 * i + 3), grey = (299 * r + 587 * g + 114 * b) / 1000;
      for (let k = 0; k < c; k++) {
        const level = (c === 1 ? Math.round(grey) : [r, g, b][k]) / 255;
        x[k * h * w + i] = end(low, k) + level * (end(high, k) - end(low, k));
      }
    }
    if (translates) {
      const y = await runner.run("pad", "translate", { images: x }).catch(failed);
      if (y) paint($("back"), y);
      return;
    }
    const condition = state.code.slice(prior.latent);
    const made = await runner.run("pad", "encode", { images: x, condition }).catch(failed);
    if (!made) return;
    code = made;
    await show("back", $("back"), code);
  }

  let last = null;
  const place = (event) => { const box = pad.getBoundingClientRect(); return [(event.clientX - box.left) * w / box.width, (event.clientY - box.top) * h / box.height]; };
  const stroke = (event) => {
    if (!last) return;
    const at = place(event);
    context.strokeStyle = colour; context.lineWidth = 2 * $("brush").value; context.lineCap = context.lineJoin = "round";
    context.beginPath(); context.moveTo(...last); context.lineTo(at[0] + 0.01, at[1]); context.stroke();
    last = at;
    look();
  };
  pad.addEventListener("pointerdown", (event) => { pad.setPointerCapture(event.pointerId); last = place(event); stroke(event); });
  pad.addEventListener("pointermove", stroke);
  for (const name of ["pointerup", "pointercancel"]) pad.addEventListener(name, () => { last = null; });

  async function take(file) {
    let picture;
    try { picture = await createImageBitmap(file); } catch (error) { $("pad-note").textContent = `${file.name || "This"} is no picture that this browser can read.`; return; }
    const scale = Math.max(w / picture.width, h / picture.height), size = [picture.width * scale, picture.height * scale];
    blank();
    context.imageSmoothingEnabled = true; context.imageSmoothingQuality = "high";
    context.drawImage(picture, (w - size[0]) / 2, (h - size[1]) / 2, ...size);
    look();
  }
  $("file").addEventListener("change", () => { if ($("file").files[0]) take($("file").files[0]); });
  for (const name of ["dragover", "dragleave", "drop"]) document.addEventListener(name, (event) => {
    event.preventDefault();
    pad.classList.toggle("over", name === "dragover");
    if (name === "drop" && event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });
  document.addEventListener("paste", (event) => { const file = event.clipboardData.files[0]; if (file) take(file); });
  $("clear").onclick = () => { blank(); look(); };
  $("invert").onclick = () => {
    const image = context.getImageData(0, 0, w, h);
    for (let i = 0; i < image.data.length; i++) if (i % 4 < 3) image.data[i] = 255 - image.data[i];
    context.putImageData(image, 0, 0);
    look();
  };
  $("take").onclick = () => { if (code) { choose(code); $("which").textContent = "your picture"; $("stage").scrollIntoView({ behavior: "smooth" }); } };

  blank();
  const size = c * h * w, image = context.createImageData(w, h);  // begins with the first reference
  for (let i = 0; i < h * w; i++) {
    for (let k = 0; k < 3; k++) { const ch = c === 3 ? k : 0; image.data[4 * i + k] = 255 * (first[ch * h * w + i] - end(low, ch)) / (end(high, ch) - end(low, ch)); }
    image.data[4 * i + 3] = 255;
  }
  if (first.length >= size) context.putImageData(image, 0, 0);
  $("pad-box").hidden = false;
  look();
}

// ---------------------------------------------------------------- the check

async function check() {
  const name = prior ? "decode" : "translate", input = prior ? "codes" : "images";
  const given = floats(prior ? references.codes : references.given), size = given.length / references.count;
  const wanted = new Uint16Array(fromBase64(references.images).buffer), each = wanted.length / references.count;
  const found = { difference: 0, draws: 0, codes: 0, fast: false, ms: 0 };
  for (let n = 0; n < references.count; n++) {
    const x = given.subarray(n * size, (n + 1) * size);
    if (prior) {
      const drawn = draw(0, n, prior.temperature, new Map());
      for (let i = 0; i < size; i++) found.draws = Math.max(found.draws, Math.abs(drawn[i] - x[i]));
    }
    const y = await runner.run("check", name, { [input]: x.slice() });
    for (let i = 0; i < each; i++) {
      const level = 255 * Math.min(1, Math.max(0, (y[i] + 1) / 2)), off = Math.abs(level - wanted[n * each + i] * 255 / 65535);
      found.difference = off > found.difference || Number.isNaN(off) ? off : found.difference;
    }
  }
  if (references.back) {
    const images = floats(references.stored), back = floats(references.back), d = back.length / references.count, k = images.length / references.count;
    for (let n = 0; n < references.count; n++) {
      const z = await runner.run("check", "encode", { images: images.slice(n * k, (n + 1) * k), condition: new Float32Array(conditions) });
      for (let i = 0; i < d; i++) found.codes = Math.max(found.codes, Math.abs(z[i] - back[n * d + i]));
    }
  }
  found.fast = runner.fast;
  found.ms = [...runner.times].sort((a, b) => a - b)[runner.times.length >> 1];
  const good = found.difference <= 1 && found.draws <= 1e-5, line = $("check");
  const few = found.difference < 0.01 ? "less than 0.01" : found.difference.toFixed(2);
  const engine = found.fast ? "WebAssembly" : "JavaScript without SIMD, so slower than it could be";
  line.textContent = `${good ? "✓ Checked" : "✗ This browser computes something else"}: ${references.count} pictures against PyTorch's, largest difference ${few} of 255 grey levels. ` +
    `A picture takes ${found.ms < 10 ? found.ms.toFixed(1) : Math.round(found.ms)} ms here (${engine}).`;
  line.className = `check ${good ? "good" : "bad"}`;
  return found;
}

// ---------------------------------------------------------------- the rest

function python() {
  const lines = ["import genarium", "from genarium.exports.prior import codes", "", `run = genarium.load("runs/${about.run}")`];
  const set = Object.entries(about.settings).map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  if (set.length) lines.push(`run = run.with_settings({${set.join(", ")}})`);
  lines.push(`images = run.decode(codes(run, seed=${state.seed}, n=1, first=${state.sample}))  # [1,C,H,W] on [-1, 1]`);
  $("python").textContent = lines.join("\n");
}

function facts() {
  $("eyebrow").textContent = ["Genarium", ...about.taxonomy].join(" · ");
  $("lead").textContent = `${about.summary} It runs in this file, in your browser: nothing is sent anywhere.`;
  for (const [name, value] of about.facts) $("facts").append(make("dt", { textContent: name }), make("dd", { textContent: value }));
  $("facts").append(make("dt", { textContent: "Size" }), make("dd", { textContent: `${(bytes / 1e6).toFixed(1)} MB; ${(program.functions[prior ? "decode" : "translate"].products / 1e6).toFixed(1)} million multiplications a picture` }));
  if (about.scores.length) {
    const row = (cells, tag) => make("tr", {}, ...cells.map((textContent) => make(tag, { textContent })));
    $("scores").append(make("table", {}, row(["Score", "Value", "95 % interval"], "th"), ...about.scores.map((cells) => row(cells, "td"))));
  }
}

function start() {
  facts();
  $("about").hidden = false;
  if (!prior) { $("again").hidden = true; drawingPad(); return; }
  const asked = new URLSearchParams(location.hash.slice(1));
  const whole = (name) => { const value = Number(asked.get(name)); return Number.isSafeInteger(value) && value >= 0 ? value : 0; };
  state.seed = whole("seed"); state.sample = table ? 0 : whole("sample");
  $("seed").value = state.seed;
  state.code = draw(state.seed, state.sample);
  state.from = draw(state.seed, state.sample); state.to = draw(state.seed, state.sample + 1);
  for (const id of ["stage", "grid-box", "walk-box"]) $(id).hidden = false;
  $("picture").width = wide; $("picture").height = height;
  sliders();
  conditionControls();
  const go = (n) => choose(draw(state.seed, n), n);
  $("before").onclick = () => go(Math.max(0, state.sample - 1));
  $("after").onclick = () => go(state.sample + 1);
  $("any").onclick = () => { if (table) { go(Math.floor(Math.random() * table.length / prior.size)); return; } state.seed = Math.floor(Math.random() * 1e6); $("seed").value = state.seed; go(0); grid(); };
  $("reset").onclick = () => go(state.sample);
  $("seed").addEventListener("change", () => { const value = Math.floor(Math.abs(+$("seed").value)); state.seed = Number.isSafeInteger(value) ? value : 0; $("seed").value = state.seed; go(0); grid(); });
  $("spread").value = state.spread;
  $("spread-box").hidden = Boolean(table); $("seed").parentElement.hidden = Boolean(table); $("another").hidden = Boolean(table);
  const spread = () => { $("spread-value").textContent = state.spread.toFixed(2); };
  spread();
  $("spread").addEventListener("input", () => { state.spread = +$("spread").value; spread(); go(state.sample); grid(); });
  $("another").onclick = () => { state.shown += 24; grid(); };
  $("as-a").onclick = () => { state.from = state.code.slice(); strip(); };
  $("as-b").onclick = () => { state.to = state.code.slice(); strip(); };
  $("along").addEventListener("input", along);
  $("play").onclick = play;
  $("save").onclick = () => { const a = make("a", { href: $("picture").toDataURL("image/png"), download: `${about.run}-${state.seed}-${state.sample}.png` }); a.click(); };
  document.addEventListener("keydown", (event) => {
    if (event.target.closest && event.target.closest("input, select")) return;
    if (event.key === "ArrowRight") $("after").click();
    if (event.key === "ArrowLeft") $("before").click();
  });
  go(state.sample);
  strip();
  grid();
  tableNote();
  if (program.functions.encode && about.given[0] <= 3 && about.given[0] !== 2) drawingPad();
}

window.genarium = { runner, draw, between, state, checked: check().catch((error) => { failed(error); throw error; }) };
start();
})();
