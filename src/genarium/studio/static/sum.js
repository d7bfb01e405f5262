// A − B + C with samples, each the mean of several.

import { Channel } from './net.js';
import * as state from './state.js';
import { el, picture, paint, problem, sheet } from './ui.js';
import { droppable } from './walk.js';

const SLOTS = [['plus', 'A', ''], ['minus', 'B', '−'], ['third', 'C', '+']];

export function sum(root, view) {
  const { model, app } = view;
  const channel = new Channel('sum');
  let active = 'plus';
  const big = picture(null, 'the sum');
  const slots = el('div.column', {});
  const note = el('p.soft', { role: 'status' }, '');
  root.append(
    el('p.soft', {}, 'Choose a line, then click the samples that belong to it (again: take one out), or drag them there. Of several the mean is taken.'),
    slots, el('figure.big', {}, big), note,
    el('button.small', { type: 'button', onclick: () => state.change({ plus: null, minus: null, third: null }) }, 'Clear'));

  const members = (key) => (state.get()[key] || '').split(',').filter((ref) => /^(\d+|test:\d+)$/.test(ref));

  function toggle(key, ref) {
    const now = members(key);
    const next = now.includes(ref) ? now.filter((each) => each !== ref) : [...now, ref];
    state.change({ [key]: next.join(',') || null, pick: ref });
  }

  function draw() {
    view.marks = {};
    slots.replaceChildren(...SLOTS.map(([key, name, sign]) => {
      const chosen = members(key);
      chosen.forEach((ref) => { view.marks[ref] = (view.marks[ref] || '') + name; });
      const made = el('button.slot', {
        type: 'button', 'aria-pressed': String(key === active), 'aria-label': `${sign} ${name}: ${chosen.length ? `samples ${chosen.join(', ')}` : 'empty'}`,
        onclick: () => { active = key; draw(); },
      }, el('b', {}, `${sign} ${name}`), ...chosen.map((ref) => {
        const data = view.show(ref);
        return data ? picture(data, `sample ${ref}`) : el('span', {}, ref);
      }), chosen.length ? null : el('span.soft', {}, 'no samples yet'));
      droppable(made, (ref) => { active = key; toggle(key, ref); });
      return made;
    }));
    view.mark();
  }

  /** Names as the verb takes them: numbers together, test images together. */
  function group(key) {
    const chosen = members(key);
    const numbers = chosen.filter((ref) => !ref.includes(':'));
    const test = chosen.filter((ref) => ref.includes(':')).map((ref) => ref.split(':')[1]);
    return numbers.length ? numbers.join(',') : test.length ? `test:${test.join(',')}` : null;
  }

  function go() {
    draw();
    const [a, b, c] = SLOTS.map(([key]) => group(key));
    const plus = [a, c].filter(Boolean);
    if (!plus.length) {
      note.textContent = 'put a sample into A';
      return;
    }
    const body = { ...state.drawn(model), plus, minus: b ? [b] : [] };
    channel.ask('/api/sum', body, (made) => {
      paint(big, made.pictures[0]);
      note.textContent = made.signs.length > 1 ? 'the sum of the means' : 'the image of the mean';
      app.repeat(made, () => sheet(made.pictures, made.pictures.length));
    }, (error) => note.replaceChildren(problem(error.message)));
  }

  return {
    samples: go,
    click(ref) { toggle(active, ref); },
    changed(changes) { if (SLOTS.some(([key]) => key in changes)) go(); },
    leave() { channel.forget(); },
  };
}
