// A canvas to draw on, or to erase a picture on, by mouse, pen or finger.

import { el } from './ui.js';

const SIDE = 320;

/** A drawing pad of pictures of height × width. erase: it erases the picture that `show` gave. */
export function brush({ height, width, colour = false, paper = '#000000', erase = false, label, live, ended }) {
  const scale = Math.max(1, Math.round(SIDE / Math.max(height, width)));
  const canvas = el('canvas.paper', { width: width * scale, height: height * scale, role: 'img', 'aria-label': label, tabIndex: 0 });
  canvas.style.setProperty('--ratio', `${width} / ${height}`);
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  const size = el('input', { type: 'range', min: 1, max: 12, value: erase ? 6 : 3, 'aria-label': 'Width of the brush' });
  const ink = el('input.ink', { type: 'color', value: paper === '#000000' ? '#ffffff' : '#000000', 'aria-label': 'Colour of the brush' });
  let ground = paper;
  let under = null;
  let down = null;
  let used = false;
  const mask = el('canvas', { width, height });
  const marks = mask.getContext('2d', { willReadFrequently: true });

  function clear() {
    used = false;
    marks.clearRect(0, 0, width, height);
    pen.fillStyle = ground;
    pen.fillRect(0, 0, canvas.width, canvas.height);
    if (erase && under) place();
  }

  function place() {
    const one = el('canvas', { width: under.width, height: under.height });
    one.getContext('2d').putImageData(under, 0, 0);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(one, 0, 0, canvas.width, canvas.height);
  }

  function at(event) {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  function line(context, [x, y], [u, v], w, h, thick, style) {
    context.strokeStyle = style;
    context.lineWidth = thick;
    context.lineCap = context.lineJoin = 'round';
    context.beginPath();
    context.moveTo(x * w, y * h);
    context.lineTo(u * w + 0.01, v * h);
    context.stroke();
  }

  function stroke(from, to) {
    const thick = Number(size.value) * Math.max(height, width) / 40;
    used = true;
    line(pen, from, to, canvas.width, canvas.height, thick * scale, erase ? '#808080' : ink.value);
    if (erase) line(marks, from, to, width, height, thick, '#ffffff');
  }

  canvas.addEventListener('pointerdown', (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    down = at(event);
    stroke(down, down);
    if (live) live();
    event.preventDefault();
  });
  canvas.addEventListener('pointermove', (event) => {
    if (!down) return;
    const now = at(event);
    stroke(down, now);
    down = now;
    if (live) live();
  });
  for (const kind of ['pointerup', 'pointercancel']) {
    canvas.addEventListener(kind, () => { if (down) { down = null; if (ended) ended(); } });
  }

  clear();
  const tools = erase
    ? [el('label.field', {}, 'Brush', size), el('button.small', { type: 'button', onclick: clear }, 'Undo all')]
    : [el('label.field', {}, 'Brush', size), ...(colour ? [el('label.field', {}, 'Colour', ink)] : []),
      el('button.small', { type: 'button', onclick: () => { clear(); if (ended) ended(); } }, 'Clear'),
      el('button.small', { type: 'button', onclick: () => {
        ground = ground === '#000000' ? '#ffffff' : '#000000';
        ink.value = ground === '#000000' ? '#ffffff' : '#000000';
        clear();
      } }, 'Other paper')];
  return {
    root: el('div.column', {}, canvas, el('div.row', {}, ...tools)),
    /** The drawing as a PNG. */
    blob: () => new Promise((resolve) => canvas.toBlob(resolve, 'image/png')),
    /** Of a pad that erases: the picture that is erased from. */
    show(data) { if (erase) { under = data; clear(); } },
    /** What is kept, a bit a pixel, row by row, in base64; null where nothing was erased. */
    kept() {
      if (!used) return null;
      const { data } = marks.getImageData(0, 0, width, height);
      const bytes = new Uint8Array(Math.ceil(height * width / 8));
      for (let i = 0; i < height * width; i++) {
        if (data[4 * i + 3] < 128) bytes[i >> 3] |= 0x80 >> (i & 7);
      }
      let text = '';
      bytes.forEach((byte) => { text += String.fromCharCode(byte); });
      return btoa(text);
    },
    /** The same as the file that `genarium complete --keep` takes: white is kept. */
    mask() {
      const made = el('canvas', { width, height });
      const to = made.getContext('2d');
      const some = marks.getImageData(0, 0, width, height);
      for (let i = 0; i < height * width; i++) {
        const kept = some.data[4 * i + 3] < 128 ? 255 : 0;
        some.data.set([kept, kept, kept, 255], 4 * i);
      }
      to.putImageData(some, 0, 0);
      return new Promise((resolve) => made.toBlob(resolve, 'image/png'));
    },
  };
}
