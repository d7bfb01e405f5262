// Samples by seed, and what can be done with them: move the code, walk, add, look for copies.

import { ask, Channel } from './net.js';
import * as state from './state.js';
import { el, named, picture, paint, control, problem, sheet, say } from './ui.js';
import { tools } from './tools.js';

const SAMPLING = /^(n|seed|class|text|code|a\..*|s\..*)$/;

export function explore(root, app) {
  const { model } = app;
  const channel = new Channel('samples');
  const second = new Channel('samples-second');
  const view = { refs: [], pictures: [], marks: {}, model, app };
  const grid = el('div.grid', { role: 'group', 'aria-label': 'Samples' });
  const title = el('h3', {}, '');
  const otherGrid = el('div.grid', { role: 'group', 'aria-label': 'The same in the other model' });
  const otherTitle = el('h3', {}, '');
  const stage = el('section.stage', { 'aria-label': 'Samples' },
    el('div', {}, el('div.title', {}, title), grid),
    el('div', { hidden: true }, el('div.title', {}, otherTitle), otherGrid));
  const controls = el('section.card.column.controls', { 'aria-label': 'What is drawn' });
  const aside = el('section.card.tools', { 'aria-label': 'Tools' });
  root.append(el('div', { id: 'explore' }, controls, stage, aside));

  view.other = () => {
    const s = state.get();
    if (!s.with) return null;
    return { run: s.with, ...(s.withstep !== undefined ? { step: s.withstep } : {}) };
  };
  view.mark = () => {
    grid.querySelectorAll('.cell').forEach((cell) => {
      const mark = view.marks[cell.dataset.ref];
      if (mark) cell.dataset.mark = mark; else delete cell.dataset.mark;
      cell.classList.toggle('picked', cell.dataset.ref === view.picked());
      cell.setAttribute('aria-pressed', String(cell.dataset.ref === view.picked() || !!mark));
    });
  };
  view.picked = () => {
    const { pick } = state.get();
    return pick !== undefined && view.refs.includes(pick) ? pick : view.refs[0];
  };
  view.show = (ref) => view.pictures[view.refs.indexOf(ref)];

  const tool = tools(aside, view);

  // ------------------------------------------------------------------ what is drawn

  function build() {
    const s = state.get();
    const set = (key) => (value) => state.change({ [key]: value });
    const seed = el('input', { type: 'number', min: 0, value: s.seed || 0, id: 'seed',
      onchange: () => state.change({ seed: Math.max(0, Math.floor(Number(seed.value) || 0)) }) });
    const count = el('select', { id: 'count', onchange: () => state.change({ n: Number(count.value) }) },
      [...new Set([4, 9, 16, 25, 36, 64, 100, model.n, s.n || model.n])].sort((a, b) => a - b)
        .map((n) => el('option', { value: n }, n)));
    count.value = s.n || model.n;
    const parts = [el('h2', {}, 'Draw'),
      el('label.field', {}, 'Seed', seed),
      el('div.row', {},
        el('button.small', { type: 'button', onclick: () => step(-1), 'aria-label': 'Seed before' }, '−'),
        el('button.small', { type: 'button', onclick: () => step(1), 'aria-label': 'Next seed' }, '+'),
        el('button.small', { type: 'button', onclick: () => { seed.value = Math.floor(Math.random() * 1e6); seed.dispatchEvent(new Event('change')); } }, 'Another seed'))];
    function step(by) { seed.value = Math.max(0, Number(seed.value) + by); seed.dispatchEvent(new Event('change')); }
    if (!model.planar && !model.directions.length) parts.push(el('label.field', {}, 'Samples', count));
    for (const c of model.condition) {
      const key = c.kind === 'attribute' ? `a.${c.name}` : c.kind;
      const given = { ...c, kind: 'text', default: null, any: 'any', label: { text: 'Caption', class: 'Class', code: 'Code' }[c.kind] || c.name };
      parts.push(control(given, s[key], set(key)));
    }
    if (model.sampler.length) {
      const own = model.sampler.map((c) => control(c, s[`s.${c.name}`], set(`s.${c.name}`)));
      parts.push(el('details', { open: Object.keys(s).some((k) => k.startsWith('s.')) },
        el('summary', {}, 'How it samples'), el('div.column', {}, ...own)));
    }
    if (!model.planar) parts.push(beside());
    controls.replaceChildren(...parts);
  }

  function beside() {
    const s = state.get();
    const others = app.runs.filter((run) => run.steps && run.steps.length);
    const run = el('select', { onchange: () => state.change({ with: run.value || null, withstep: null }) },
      el('option', { value: '' }, 'nothing'), ...others.map((r) => el('option', { value: r.name }, r.name)));
    run.value = s.with || '';
    const chosen = others.find((r) => r.name === s.with);
    const step = el('select', { onchange: () => state.change({ withstep: Number(step.value) }) },
      ...(chosen ? chosen.steps : []).map((n) => el('option', { value: n }, n.toLocaleString('en'))));
    if (chosen) step.value = s.withstep ?? chosen.steps.at(-1);
    return el('details', { open: !!s.with }, el('summary', {}, 'Side by side'),
      el('div.column', {},
        el('label.field', {}, 'With', run),
        chosen ? el('label.field', {}, 'Step', step) : null,
        el('small', {}, 'the same codes in another model, or at another step')));
  }

  // ------------------------------------------------------------------ the grid

  function draw() {
    if (model.can.sample !== true && model.can.reconstruct !== true && model.can.translate !== true) {
      grid.replaceChildren(problem(model.can.sample));
      return;
    }
    const begun = performance.now();
    title.textContent = 'drawing …';
    channel.ask('/api/samples', state.drawn(model), (made) => {
      const count = made.what === 'samples' || made.what === 'plot' ? made.pictures.length : made.refs.length;
      view.pictures = made.pictures.slice(0, count);
      view.refs = made.refs;
      view.how = made;
      title.textContent = made.what === 'plot' ? '1,000 samples' : `${count} ${made.what}`;
      fill(grid, view.pictures, made.refs);
      view.mark();
      view.seconds = (performance.now() - begun) / 1000;
      if (view.seconds > 1) say(`drawn in ${view.seconds.toFixed(1)} s`);
      app.repeat(made, () => sheet(view.pictures, across(view.pictures.length)));
      tool.samples();
      drawOther();
    }, (error) => { title.textContent = ''; grid.replaceChildren(problem(error.message)); });
  }

  function drawOther() {
    const other = view.other();
    otherGrid.parentElement.hidden = !other;
    stage.classList.toggle('two', !!other);
    if (!other || !view.refs.length) return;
    const codes = view.refs[0].includes(':') ? view.refs[0] : `0-${view.refs.length - 1}`;
    second.ask('/api/alike', { ...state.drawn(model), codes, other }, (made) => {
      otherTitle.textContent = made.why || `the same codes in ${other.run}`;
      fill(otherGrid, made.pictures, made.pictures.map((_, i) => view.refs[i]), true);
    }, (error) => { otherTitle.textContent = ''; otherGrid.replaceChildren(problem(error.message)); });
  }

  function across(count) { return Math.ceil(Math.sqrt(count)); }

  function fill(where, images, refs, other = false) {
    where.style.setProperty('--across', across(images.length));
    const old = where.querySelectorAll(':scope > .cell');
    if (old.length === images.length && refs.every((ref, i) => old[i].dataset.ref === ref)) {
      images.forEach((data, i) => paint(old[i].firstChild, data));
      return;
    }
    where.replaceChildren(...images.map((data, i) => {
      const ref = refs[i];
      const canvas = picture(data, ref === undefined ? 'samples' : named(ref));
      if (ref === undefined) return canvas;
      const cell = el('button.cell', {
        type: 'button', draggable: true, 'aria-label': named(ref),
        onclick: () => tool.click(ref), onkeydown: (event) => moved(event, where, i),
        ondragstart: (event) => event.dataTransfer.setData('text/plain', ref),
      }, canvas);
      cell.dataset.ref = ref;
      if (other) cell.draggable = false;
      return cell;
    }));
  }

  function moved(event, where, i) {
    const columns = across(where.children.length);
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
    const next = by && where.children[i + by];
    if (next) { event.preventDefault(); next.focus(); }
  }

  build();
  draw();
  return {
    changed(changes) {
      const keys = Object.keys(changes);
      if (keys.some((key) => SAMPLING.test(key))) { build(); draw(); return; }
      if (keys.some((key) => key === 'with' || key === 'withstep')) { build(); drawOther(); tool.samples(); }
      tool.changed(changes);
    },
    back() { draw(); },
    leave() { channel.forget(); second.forget(); tool.leave(); },
  };
}
