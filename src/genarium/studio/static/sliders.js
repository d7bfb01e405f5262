// A code as sliders, ordered by how much each number changes the image.

import { ask, Channel, Refused } from './net.js';
import * as state from './state.js';
import { el, named, picture, paint, problem } from './ui.js';

const EACH = 10;
const SLOW = 1000;

export function code(root, view) {
  const { model, app } = view;
  const channel = new Channel('decode');
  const second = new Channel('decode-second');
  let positions = []; // as they are drawn, without what is set
  let measured = null;
  let timer = null;
  let gone = false;
  let shown = null; // of which sample the positions are
  const rows = new Map();

  const big = picture(null, 'the chosen sample');
  const otherBig = picture(null, 'the same code in the other model');
  const other = el('figure', { hidden: true }, otherBig, el('figcaption', {}, ''));
  const caption = el('figcaption', {}, '');
  const list = el('div', { 'aria-label': 'Numbers of the code', role: 'group' });
  const find = el('input', { type: 'number', min: 0, placeholder: 'number', 'aria-label': 'Find a number of the code', oninput: () => { state.change({ page: null }, true); draw(); } });
  find.style.width = '6.5rem';
  const order = el('select', { 'aria-label': 'Order', onchange: () => { state.change({ order: order.value === 'effect' ? null : order.value, page: null }, true); draw(); } },
    el('option', { value: 'effect' }, 'by effect'), el('option', { value: 'number' }, 'by number'));
  const hide = el('input', { type: 'checkbox', id: 'hide-dead', checked: state.get().alive === 'yes', onchange: () => { state.change({ alive: hide.checked ? 'yes' : null, page: null }, true); draw(); } });
  const note = el('p.soft', { role: 'status' }, '');
  const pager = el('div.row', {});
  order.value = state.get().order === 'number' ? 'number' : 'effect';
  root.append(
    el('div.pair', {}, el('figure', {}, big, caption), other),
    el('div.row', {}, order, find,
      el('label.field', { htmlFor: 'hide-dead' }, hide, 'hide dead'),
      el('button.small', { type: 'button', onclick: () => { state.change({ set: null }); } }, 'Reset')),
    note, list, pager);

  const count = (n) => (n === 1 ? '1 number' : `${n} numbers`);

  // ------------------------------------------------------------------ order

  function ordered() {
    const { columns } = model.code;
    const effects = new Map(measured ? measured.effects : []);
    const wanted = find.value.trim();
    let chosen = wanted ? columns.filter((d) => String(d).startsWith(wanted)) : [...columns];
    if (hide.checked && measured) chosen = chosen.filter((d) => !(effects.get(d) < measured.dead));
    if (order.value === 'effect' && measured && measured.done) { // of some alone no order is known
      chosen.sort((a, b) => effects.get(b) - effects.get(a) || a - b);
    }
    if (wanted) chosen.sort((a, b) => (String(b) === wanted) - (String(a) === wanted));
    return { chosen, effects };
  }

  function draw() {
    const { chosen, effects } = ordered();
    const pages = Math.max(1, Math.ceil(chosen.length / EACH));
    const page = Math.min(state.get().page || 0, pages - 1);
    const most = Math.max(1e-9, ...effects.values());
    const some = chosen.slice(page * EACH, (page + 1) * EACH);
    const focused = document.activeElement && document.activeElement.dataset
      ? document.activeElement.dataset.d : undefined;
    if ([...rows.keys()].join() !== some.join()) {
      rows.clear();
      list.replaceChildren(...some.map((d) => slider(d)));
      if (focused !== undefined && rows.has(Number(focused))) rows.get(Number(focused)).range.focus();
    }
    for (const d of some) {
      const { row, bar, tag } = rows.get(d);
      const effect = effects.get(d);
      const dead = effect !== undefined && effect < measured.dead;
      row.classList.toggle('dead', dead);
      bar.parentElement.title = effect === undefined ? 'not measured yet' : `changes the image by ${effect.toFixed(1)} grey levels of 255`;
      bar.style.width = `${effect === undefined ? 0 : 100 * effect / most}%`;
      tag.hidden = !dead;
    }
    values();
    pager.replaceChildren(...(pages > 1 ? [
      el('button.small', { type: 'button', disabled: page === 0, onclick: () => turn(page - 1) }, 'Before'),
      el('span.soft', {}, `${page + 1} of ${pages} (${chosen.length} numbers)`),
      el('button.small', { type: 'button', disabled: page === pages - 1, onclick: () => turn(page + 1) }, 'Next')]
      : chosen.length ? [] : [el('span.soft', {}, 'no number of this kind')]));
  }

  function turn(page) { state.change({ page }, true); draw(); }

  function slider(d) {
    const id = `z${d}`;
    const range = el('input', { type: 'range', id, min: -3, max: 3, step: 0.05 });
    range.dataset.d = d;
    const out = el('output', { htmlFor: id }, '');
    const bar = el('i');
    const tag = el('span.tag', { hidden: true, title: 'moving it changes nothing that could be seen' }, 'dead');
    const reset = el('button.small', { type: 'button', title: `z${d} as it was drawn`, 'aria-label': `Reset number ${d}`, onclick: () => put(d, null) }, '↺');
    range.addEventListener('input', () => put(d, Number(range.value), performance.now()));
    const row = el('div.slider', {}, el('label', { htmlFor: id }, `z${d}`), range, out, reset,
      el('span', {}, el('div.effect', {}, bar), tag));
    rows.set(d, { row, range, out, bar, tag, reset });
    return row;
  }

  function values() {
    const set = state.get().set || {};
    for (const [d, { range, out, reset }] of rows) {
      const value = set[d] ?? positions[d] ?? 0;
      const far = Math.max(3, Math.ceil(Math.abs(value)));
      range.min = -far;
      range.max = far;
      if (document.activeElement !== range || Number(range.value) !== value) range.value = value;
      out.textContent = value.toFixed(2);
      reset.disabled = set[d] === undefined;
    }
  }

  // ------------------------------------------------------------------ moving

  function put(d, value, begun) {
    const set = { ...(state.get().set || {}) };
    if (value === null) delete set[d]; else set[d] = value;
    state.change({ set: Object.keys(set).length ? set : null }, true);
    values();
    decode(begun);
  }

  function decode(begun) {
    const ref = view.picked();
    if (ref === undefined) return;
    const set = state.get().set || {};
    const body = { ...state.drawn(model), codes: ref };
    if (Object.keys(set).length) body.set = set;
    channel.ask('/api/decode', body, (made) => {
      paint(big, made.pictures[0]);
      const drawn = performance.now();
      if (begun !== undefined) {
        requestAnimationFrame(() => {
          window.studio.latency.push({ drawn: drawn - begun, painted: performance.now() - begun });
          if (window.studio.latency.length > 5000) window.studio.latency.splice(0, 2500);
        });
      }
      big.setAttribute('aria-label', `${named(ref)}${Object.keys(set).length ? ', moved' : ''}`);
      caption.textContent = Object.keys(set).length
        ? `${named(ref)}, ${count(Object.keys(set).length)} moved` : named(ref);
      if (shown !== ref || !Object.keys(set).length) {
        positions = made.positions.map((p, d) => (d in set ? positions[d] ?? p : p));
      }
      shown = ref;
      values();
      app.repeat(made, () => copyOf([big, ...(other.hidden ? [] : [otherBig])]));
    }, (error) => { caption.replaceChildren(problem(error.message)); });
    const against = view.other();
    other.hidden = !against;
    if (against) {
      second.ask('/api/alike', { ...body, other: against }, (made) => {
        paint(otherBig, made.pictures[0]);
        other.lastChild.textContent = made.why || `${against.run}, the same code`;
      }, (error) => other.lastChild.replaceChildren(problem(error.message)));
    }
  }

  // ------------------------------------------------------------------ effects

  async function effects() {
    clearTimeout(timer);
    if (gone) return;
    if (model.code.noise) {
      note.textContent = `each of the ${model.code.columns.length} numbers is the noise of one pixel, so no single one says much: walk between samples instead`;
      return;
    }
    const s = state.get();
    const at = s.step === undefined ? '' : `&step=${s.step}`;
    try {
      measured = await ask(`/api/effects?run=${encodeURIComponent(s.run)}${at}`);
    } catch (error) {
      if (error instanceof Refused) note.textContent = error.message;
      else timer = setTimeout(effects, 2 * SLOW);
      return;
    }
    if (gone) return;
    tell();
    draw();
    if (!measured.done && !measured.problem && !measured.waits) timer = setTimeout(effects, SLOW / 2);
  }

  function tell() {
    const dead = measured.effects.filter(([, effect]) => effect < measured.dead).length;
    note.replaceChildren();
    if (measured.problem) note.append(`effects cannot be measured: ${measured.problem}`);
    else if (measured.waits) {
      note.append(`measuring what each of ${model.code.columns.length} numbers does takes about ${Math.ceil(measured.left / 60)} min `,
        el('button.small', { type: 'button', onclick: async () => {
          const s = state.get();
          await ask('/api/effects', { run: s.run, ...(s.step === undefined ? {} : { step: s.step }) });
          effects();
        } }, 'Measure'));
    } else if (!measured.done) note.append(`measuring effects: ${Math.round(100 * measured.share)} %`);
    else note.append(`${model.code.columns.length} numbers, ${dead ? `${dead} of them dead` : 'none of them dead'}`);
  }

  draw();
  effects();
  return {
    samples() { decode(); },
    click(ref) { state.change({ pick: ref }); },
    changed(changes) {
      if ('pick' in changes) { view.mark(); decode(); }
      if ('set' in changes) { values(); decode(); }
    },
    leave() { gone = true; clearTimeout(timer); channel.forget(); second.forget(); },
  };
}

/** Canvases side by side, enlarged. */
export function copyOf(canvases) {
  const times = Math.max(1, Math.round(256 / Math.max(canvases[0].width, canvases[0].height)));
  const made = el('canvas', { width: canvases.reduce((sum, c) => sum + c.width * times, 0), height: Math.max(...canvases.map((c) => c.height * times)) });
  const pen = made.getContext('2d');
  pen.imageSmoothingEnabled = false;
  let x = 0;
  for (const canvas of canvases) {
    pen.drawImage(canvas, x, 0, canvas.width * times, canvas.height * times);
    x += canvas.width * times;
  }
  return made;
}
