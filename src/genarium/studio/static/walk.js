// A walk between two samples: a strip, a film, a file.

import { ask, Channel } from './net.js';
import * as state from './state.js';
import { el, named, picture, paint, problem, sheet, download, say } from './ui.js';

export function walk(root, view) {
  const { model, app } = view;
  const channel = new Channel('walk');
  let frames = [];
  let at = 0;
  let forward = 1;
  let timer = null;
  let body = null;
  const big = picture(null, 'a step of the walk');
  const strip = el('div.strip', { 'aria-label': 'The walk, step by step' });
  const scrub = el('input', { type: 'range', min: 0, value: 0, 'aria-label': 'Step of the walk', oninput: () => { pause(); see(Number(scrub.value)); } });
  const play = el('button', { type: 'button', onclick: () => (timer ? pause() : start()) }, 'Play');
  const steps = el('select', { id: 'frames', onchange: () => state.change({ frames: Number(steps.value) }) },
    [5, 9, 17, 33, 65].map((n) => el('option', { value: n }, n)));
  steps.value = state.get().frames || 17;
  const linear = el('input', { type: 'checkbox', checked: state.get().linear === 'yes', onchange: () => state.change({ linear: linear.checked ? 'yes' : null }) });
  const note = el('p.soft', { role: 'status' }, '');
  const ends = el('div.pair', {});
  root.append(
    el('p.soft', {}, 'Click a sample for A, then one for B, and so on in turn; or drag them into place.'),
    ends, el('div.big', {}, big), el('div.row', {}, play, scrub), strip,
    el('div.row', {}, el('label.field', {}, 'Steps', steps),
      model.code.spherical ? el('label.field', {}, linear, 'straight line') : null),
    el('div.row', {},
      el('button.small', { type: 'button', onclick: () => save('gif') }, 'Save GIF'),
      el('button.small', { type: 'button', onclick: () => save('webp') }, 'Save WebP')),
    note);

  function both() {
    const s = state.get();
    return [s.from, s.to].map((ref, i) => (ref !== undefined ? ref : view.refs[i ? Math.min(7, view.refs.length - 1) : 0]));
  }

  function slots() {
    ends.replaceChildren(...both().map((ref, i) => {
      const data = view.show(ref);
      const made = el('div.slot', {}, el('b', {}, 'AB'[i]), data ? picture(data, named(ref)) : el('span', {}, ref ? named(ref) : 'none'));
      droppable(made, (dropped) => state.change({ [i ? 'to' : 'from']: dropped }));
      return made;
    }));
    const [a, b] = both();
    view.marks = { [a]: a === b ? 'A B' : 'A', ...(a === b ? {} : { [b]: 'B' }) };
    view.mark();
  }

  function go() {
    slots();
    const [from, to] = both();
    if (from === undefined || to === undefined) return;
    body = { ...state.drawn(model), start: from, end: to, steps: Number(steps.value), linear: linear.checked };
    note.textContent = '';
    channel.ask('/api/walk', body, (made) => {
      frames = made.pictures;
      note.textContent = `${made.kind}, ${frames.length} steps from ${from} to ${to}`;
      scrub.max = frames.length - 1;
      strip.replaceChildren(...frames.map((data, i) => {
        const one = picture(data, `step ${i}`);
        one.addEventListener('click', () => { pause(); see(i); });
        return one;
      }));
      see(Math.min(at, frames.length - 1));
      app.repeat(made, () => sheet(frames, frames.length));
    }, (error) => note.replaceChildren(problem(error.message)));
  }

  function see(i) {
    at = i;
    scrub.value = i;
    if (frames[i]) paint(big, frames[i]);
  }

  function start() {
    play.textContent = 'Pause';
    timer = setInterval(() => {
      if (!frames.length) return;
      if (at + forward < 0 || at + forward >= frames.length) forward = -forward;
      see(Math.min(frames.length - 1, Math.max(0, at + forward)));
    }, 80);
  }

  function pause() {
    clearInterval(timer);
    timer = null;
    play.textContent = 'Play';
  }

  async function save(kind) {
    if (!body) return;
    say(`making the ${kind === 'gif' ? 'GIF' : 'WebP'} …`);
    try {
      download(await ask(`/api/file/${kind}`, body), `walk.${kind}`);
    } catch (error) { say(error.message); }
  }

  let turn = 'from';
  return {
    samples: go,
    click(ref) {
      const key = turn;
      turn = key === 'from' ? 'to' : 'from';
      state.change({ pick: ref, [key]: ref });
    },
    changed(changes) {
      if (['from', 'to', 'frames', 'linear'].some((key) => key in changes)) go();
    },
    leave() { pause(); channel.forget(); },
  };
}

/** Let samples be dropped on an element. */
export function droppable(made, dropped) {
  made.addEventListener('dragover', (event) => { event.preventDefault(); made.classList.add('over'); });
  made.addEventListener('dragleave', () => made.classList.remove('over'));
  made.addEventListener('drop', (event) => {
    event.preventDefault();
    made.classList.remove('over');
    const ref = event.dataTransfer.getData('text/plain');
    if (/^(\d+|test:\d+|picture:[\w.]+)$/.test(ref)) dropped(ref);
  });
}
