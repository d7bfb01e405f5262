// Runs a graph that genarium.exports wrote: operations on one heap of float32, one image at a time.
// The products are WebAssembly where the browser has SIMD, else the loops below.
"use strict";

const MAP1 = /*MAP1*/ {}, MAP2 = /*MAP2*/ {}, MAP3 = /*MAP3*/ {};
const DEPTH = 256;        // k of a product at a time: what is loaded stays in the cache

function erf(x) {  // Numerical Recipes, 6.2: relative error below 1.2e-7
  const z = Math.abs(x), t = 1 / (1 + 0.5 * z);
  const r = t * Math.exp(-z * z - 1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 +
    t * (-0.18628806 + t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 +
    t * (-0.82215223 + t * 0.17087277)))))))));
  return x >= 0 ? 1 - r : r - 1;
}

function even(x) {  // to the nearest whole number, halves to the even one
  const r = Math.round(x);
  return Math.abs(x % 1) === 0.5 && r % 2 !== 0 ? r - 1 : r;
}

function fromHalf(h) {
  const s = h & 0x8000 ? -1 : 1, e = (h >> 10) & 31, m = h & 1023;
  if (e === 0) return s * m * 5.960464477539063e-8;
  return e === 31 ? (m ? NaN : s * Infinity) : s * (1 + m / 1024) * Math.pow(2, e - 15);
}

function halves(from, count, H, at) {
  const table = new Float32Array(65536), seen = new Uint8Array(65536);
  for (let i = 0; i < count; i++) {
    const h = from.getUint16(2 * i, true);
    if (!seen[h]) { table[h] = fromHalf(h); seen[h] = 1; }
    H[at + i] = table[h];
  }
}

class Engine {
  // program: as genarium.exports.page writes it. bytes: the weights. module: WebAssembly, or null.
  constructor(program, bytes, module) {
    const scratch = program.heap, size = program.heap + program.scratch;
    this.scratch = scratch;
    this.patches = program.patches;
    const pages = Math.ceil(size * 4 / 65536) + 1;
    this.products = null;
    if (module) {
      try {
        const memory = new WebAssembly.Memory({ initial: pages });
        const made = new WebAssembly.Instance(new WebAssembly.Module(module), { env: { memory } });
        this.H = new Float32Array(memory.buffer);
        this.products = made.exports;
      } catch (error) { this.products = null; }
    }
    if (!this.products) this.H = new Float32Array(size);
    for (const [at, count, half, from] of program.constants) {
      const view = new DataView(bytes, from, count * (half ? 2 : 4));
      if (half) halves(view, count, this.H, at);
      else for (let i = 0; i < count; i++) this.H[at + i] = view.getFloat32(4 * i, true);
    }
    this.functions = program.functions;
  }

  run(name, inputs) {  // {name: Float32Array} -> Float32Array
    const f = this.functions[name], H = this.H;
    for (const [input, [at, size]] of Object.entries(f.inputs)) H.set(inputs[input].subarray(0, size), at);
    for (const op of f.ops) this[op.name](op, H);
    const [at, size] = f.output;
    return H.slice(at, at + size);
  }

  // C[m,n] += A[m,k] B[k,n]; places and row lengths in numbers
  gemm(m, n, k, a, lda, b, ldb, c, ldc) {
    if (this.products) {
      for (let from = 0; from < k; from += DEPTH) {
        const deep = Math.min(DEPTH, k - from);
        this.products.gemm(m, n, deep, 4 * (a + from), 4 * lda, 4 * (b + from * ldb), 4 * ldb, 4 * c, 4 * ldc);
      }
      return;
    }
    const H = this.H;
    for (let i = 0; i < m; i++) {
      for (let from = 0; from < k; from++) {
        const x = H[a + i * lda + from], row = b + from * ldb, to = c + i * ldc;
        if (x !== 0) for (let j = 0; j < n; j++) H[to + j] += x * H[row + j];
      }
    }
  }

  act(op, H, at, size) {
    if (op.act) MAP1[op.act[0]](H, size, op.act[1], op.act[2], at, 1, at, 1);
  }

  map(op, H) {
    const { shape, out, inputs } = op, axes = shape.length - 1, inner = shape[axes];
    const f = [MAP1, MAP2, MAP3][inputs.length - 1][op.f];
    const views = [out, ...inputs], at = views.map((v) => v[0]), by = views.map((v) => v[1 + axes]);
    const index = new Int32Array(axes);
    for (;;) {
      if (inputs.length === 1) f(H, inner, op.p, op.q, at[0], by[0], at[1], by[1]);
      else if (inputs.length === 2) f(H, inner, op.p, op.q, at[0], by[0], at[1], by[1], at[2], by[2]);
      else f(H, inner, op.p, op.q, at[0], by[0], at[1], by[1], at[2], by[2], at[3], by[3]);
      let axis = axes - 1;
      for (; axis >= 0; axis--) {
        for (let v = 0; v < views.length; v++) at[v] += views[v][1 + axis];
        if (++index[axis] < shape[axis]) break;
        for (let v = 0; v < views.length; v++) at[v] -= views[v][1 + axis] * shape[axis];
        index[axis] = 0;
      }
      if (axis < 0) return;
    }
  }

  gemv(op, H) {
    const { m, k, out, inputs: [w, x, bias] } = op;
    if (op.bias) H.copyWithin(out, bias, bias + m); else H.fill(0, out, out + m);
    if (this.products) this.products.gemv(m, k, 4 * w, 4 * x, 4 * out);
    else for (let i = 0; i < m; i++) {
      let a = 0, b = 0, j = 0;
      const row = w + i * k;
      for (; j + 1 < k; j += 2) { a += H[row + j] * H[x + j]; b += H[row + j + 1] * H[x + j + 1]; }
      H[out + i] += j < k ? a + b + H[row + j] * H[x + j] : a + b;
    }
    this.act(op, H, out, m);
  }

  matmul(op, H) {
    const { g, m, n, k, out, inputs: [a, b, bias] } = op;
    if (op.bias) for (let i = 0; i < g * m; i++) H.copyWithin(out + i * n, bias, bias + n);
    else H.fill(0, out, out + g * m * n);
    for (let i = 0; i < g; i++) this.gemm(m, n, k, a + i * m * k, k, b + i * k * n, n, out + i * m * n, n);
    this.act(op, H, out, g * m * n);
  }

  begin(op, H, rows, pixels) {  // an image's maps begin at the bias
    for (let f = 0; f < rows; f++) {
      const value = op.bias ? H[op.inputs[2] + f] : 0, at = op.at + f * pixels;
      H.fill(value, at, at + pixels);
    }
  }

  conv(op, H) {
    const { b, c, h, w, f, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw, groups } = op;
    const [weights, x] = op.inputs, cg = c / groups, fg = f / groups, deep = cg * kh * kw;
    const plain = kh * kw === 1 && sh * sw === 1 && ph + pw === 0;
    const rows = Math.max(1, Math.min(oh, Math.floor(this.patches / (deep * ow))));
    for (let image = 0; image < b; image++) {
      op.at = op.out + image * f * oh * ow;
      this.begin(op, H, f, oh * ow);
      for (let g = 0; g < groups; g++) {
        const from = x + (image * c + g * cg) * h * w, to = op.at + g * fg * oh * ow, a = weights + g * fg * deep;
        if (plain) { this.gemm(fg, oh * ow, deep, a, deep, from, h * w, to, oh * ow); continue; }
        for (let top = 0; top < oh; top += rows) {
          const some = Math.min(rows, oh - top), n = some * ow;
          let row = this.scratch;
          for (let ch = 0; ch < cg; ch++) for (let ky = 0; ky < kh; ky++) for (let kx = 0; kx < kw; kx++, row += n) {
            // x lies within the map for ox from low to high - 1
            const shift = kx * dw - pw;
            const low = Math.min(ow, Math.max(0, Math.ceil(-shift / sw)));
            const high = Math.max(low, Math.min(ow, Math.floor((w - 1 - shift) / sw) + 1));
            for (let oy = 0; oy < some; oy++) {
              const iy = (top + oy) * sh - ph + ky * dh, at = row + oy * ow;
              if (iy < 0 || iy >= h) { H.fill(0, at, at + ow); continue; }
              const line = from + (ch * h + iy) * w + shift;
              let ox = 0;
              for (; ox < low; ox++) H[at + ox] = 0;
              if (sw === 1) for (; ox < high; ox++) H[at + ox] = H[line + ox];
              else for (; ox < high; ox++) H[at + ox] = H[line + ox * sw];
              for (; ox < ow; ox++) H[at + ox] = 0;
            }
          }
          this.gemm(fg, n, deep, a, deep, this.scratch, n, to + top * ow, oh * ow);
        }
      }
    }
    this.act(op, H, op.out, b * f * oh * ow);
  }

  convt(op, H) {
    const { b, c, h, w, f, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw } = op;
    const [weights, x] = op.inputs, taps = kh * kw, n = h * w;
    const some = Math.max(1, Math.min(f, Math.floor(4 * this.patches / (taps * n))));
    for (let image = 0; image < b; image++) {
      op.at = op.out + image * f * oh * ow;
      this.begin(op, H, f, oh * ow);
      for (let first = 0; first < f; first += some) {
        const maps = Math.min(some, f - first);
        H.fill(0, this.scratch, this.scratch + maps * taps * n);
        this.gemm(maps * taps, n, c, weights + first * taps * c, c, x + image * c * n, n, this.scratch, n);
        let from = this.scratch;
        for (let m = first; m < first + maps; m++) for (let ky = 0; ky < kh; ky++) for (let kx = 0; kx < kw; kx++) {
          const shift = kx * dw - pw;
          const low = Math.max(0, Math.ceil(-shift / sw)), high = Math.min(w, Math.floor((ow - 1 - shift) / sw) + 1);
          for (let iy = 0; iy < h; iy++, from += w) {
            const oy = iy * sh - ph + ky * dh;
            if (oy < 0 || oy >= oh) continue;
            const at = op.at + (m * oh + oy) * ow + shift;
            for (let ix = low; ix < high; ix++) H[at + ix * sw] += H[from + ix];
          }
        }
      }
    }
    this.act(op, H, op.out, b * f * oh * ow);
  }

  gather(op, H) {
    const { o, n, m, i, own, out, inputs: [x, index] } = op;
    for (let a = 0; a < o; a++) for (let j = 0; j < n; j++) {
      const from = x + (a * m + H[index + (own ? a * n + j : j)]) * i, to = out + (a * n + j) * i;
      for (let e = 0; e < i; e++) H[to + e] = H[from + e];
    }
  }

  reduce(op, H) {
    const { rows, n, f, out, inputs: [x] } = op;
    for (let r = 0; r < rows; r++) {
      const at = x + r * n;
      let value = H[at], place = 0;
      if (f === "max" || f === "argmax") {
        for (let i = 1; i < n; i++) if (H[at + i] > value) { value = H[at + i]; place = i; }
      } else if (f === "min") {
        for (let i = 1; i < n; i++) if (H[at + i] < value) value = H[at + i];
      } else {
        for (let i = 1; i < n; i++) value += H[at + i];
        if (f === "mean") value /= n;
      }
      H[out + r] = f === "argmax" ? place : value;
    }
  }

  norm(op, H) {
    const { rows, n, eps, out, inputs: [x] } = op;
    for (let r = 0; r < rows; r++) {
      const at = x + r * n, to = out + r * n;
      let mean = 0, variance = 0;
      for (let i = 0; i < n; i++) mean += H[at + i];
      mean /= n;
      for (let i = 0; i < n; i++) { const d = H[at + i] - mean; variance += d * d; }
      const scale = 1 / Math.sqrt(variance / n + eps);
      for (let i = 0; i < n; i++) H[to + i] = (H[at + i] - mean) * scale;
    }
  }

  softmax(op, H, log = false) {
    const { rows, n, out, inputs: [x] } = op;
    for (let r = 0; r < rows; r++) {
      const at = x + r * n, to = out + r * n;
      let most = H[at], total = 0;
      for (let i = 1; i < n; i++) most = Math.max(most, H[at + i]);
      for (let i = 0; i < n; i++) total += Math.exp(H[at + i] - most);
      const ln = Math.log(total);
      for (let i = 0; i < n; i++) { const y = H[at + i] - most - ln; H[to + i] = log ? y : Math.exp(y); }
    }
  }

  logsoftmax(op, H) { this.softmax(op, H, true); }

  cumsum(op, H) {
    const { rows, n, out, inputs: [x] } = op;
    for (let r = 0; r < rows; r++) for (let i = 0, sum = 0; i < n; i++) { sum += H[x + r * n + i]; H[out + r * n + i] = sum; }
  }

  pool(op, H) {
    const { c, h, w, oh, ow, f, divide, rows, columns, out, inputs: [x] } = op;
    for (let m = 0, to = out; m < c; m++) for (let i = 0; i < oh; i++) for (let j = 0; j < ow; j++, to++) {
      let value = f === "max" ? -Infinity : 0, count = 0;
      for (let y = rows[2 * i]; y < rows[2 * i + 1]; y++) for (let z = columns[2 * j]; z < columns[2 * j + 1]; z++, count++) {
        const v = H[x + (m * h + y) * w + z];
        value = f === "max" ? Math.max(value, v) : value + v;
      }
      H[to] = f === "max" ? value : value / (divide || count);
    }
  }
}

function fromBase64(text) {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

if (typeof WorkerGlobalScope !== "undefined" && self instanceof WorkerGlobalScope) {
  let engine = null;
  self.onmessage = ({ data }) => {
    try {
      if (data.program) {
        engine = new Engine(data.program, data.weights, data.module);
        self.postMessage({ ready: true, fast: engine.products !== null });
        return;
      }
      const start = performance.now(), result = engine.run(data.name, data.inputs);
      self.postMessage({ id: data.id, result, ms: performance.now() - start }, [result.buffer]);
    } catch (error) { self.postMessage({ id: data.id, error: String(error) }); }
  };
}
