// Line charts as SVG.

const SPACE = 'http://www.w3.org/2000/svg';
const [W, H, LEFT, BOTTOM, TOP, RIGHT] = [420, 220, 52, 24, 10, 18];
const COLOURS = 6;

function node(tag, given, text) {
  const made = document.createElementNS(SPACE, tag);
  for (const [key, value] of Object.entries(given)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function ticks(low, high) {
  const raw = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((k) => k * power).find((k) => k >= raw);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step / 1e6; at += step) found.push(at);
  return found;
}

const word = (x) => {
  const size = Math.abs(x);
  if (size >= 1e6) return `${+(x / 1e6).toPrecision(3)}M`;
  if (size >= 1e4) return `${+(x / 1e3).toPrecision(3)}k`;
  return String(+x.toPrecision(3));
};

/** Series {name, x, y} with null where there is no value, as one chart. */
export function chart(title, series) {
  const points = series.flatMap((s) => s.x.map((x, i) => [x, s.y[i]])).filter(([, y]) => y !== null && y !== undefined && Number.isFinite(y));
  const svg = node('svg', { class: 'chart', viewBox: `0 0 ${W} ${H}`, role: 'img', 'aria-label': title });
  if (!points.length) {
    svg.append(node('text', { x: W / 2, y: H / 2, 'text-anchor': 'middle' }, 'nothing logged yet'));
    return svg;
  }
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y).sort((a, b) => a - b);
  let [x0, x1] = [Math.min(...xs), Math.max(...xs)];
  // the first values of a loss are often far off: the chart shows what most of them say
  let [y0, y1] = [ys[Math.floor(0.01 * (ys.length - 1))], ys[Math.ceil(0.98 * (ys.length - 1))]];
  if (x0 === x1) { x0 -= 1; x1 += 1; }
  if (y0 === y1) { const by = Math.abs(y0) / 10 || 1; y0 -= by; y1 += by; }
  const by = (y1 - y0) * 0.06;
  y0 -= by;
  y1 += by;
  const X = (x) => LEFT + (x - x0) / (x1 - x0) * (W - LEFT - RIGHT);
  const Y = (y) => H - BOTTOM - (Math.min(y1, Math.max(y0, y)) - y0) / (y1 - y0) * (H - BOTTOM - TOP);
  for (const y of ticks(y0, y1)) {
    svg.append(node('line', { class: 'axis', x1: LEFT, x2: W - RIGHT, y1: Y(y), y2: Y(y) }),
      node('text', { x: LEFT - 6, y: Y(y) + 4, 'text-anchor': 'end' }, word(y)));
  }
  for (const x of ticks(x0, x1)) svg.append(node('text', { x: X(x), y: H - 8, 'text-anchor': 'middle' }, word(x)));
  series.forEach((s, k) => {
    let path = '';
    let pen = 'M';
    s.x.forEach((x, i) => {
      if (s.y[i] === null || s.y[i] === undefined || !Number.isFinite(s.y[i])) { pen = 'M'; return; }
      path += `${pen}${X(x).toFixed(1)} ${Y(s.y[i]).toFixed(1)}`;
      pen = 'L';
    });
    const made = node('path', { class: 'line', d: path || 'M0 0' });
    made.classList.add(`k${k % COLOURS}`);
    made.style.background = 'none';
    svg.append(made);
  });
  return svg;
}
