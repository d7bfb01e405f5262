// Beside each sample its nearest training image, and whether the model copies.

import { Channel } from './net.js';
import * as state from './state.js';
import { el, picture, problem, sheet } from './ui.js';

export function nearest(root, view) {
  const { model, app } = view;
  const channel = new Channel('nearest');
  const note = el('div', { role: 'status' });
  const list = el('div.neighbours', {});
  root.append(el('p.soft', {}, 'Each sample beside the training image that it is most alike to, the closest first. 0 is the same picture; small shifts, brightness and contrast do not count.'), note, list);

  function go() {
    note.replaceChildren(el('p.soft', {}, 'looking through the training images …'));
    const body = state.drawn(model);
    channel.ask('/api/nearest', body, (made) => {
      note.replaceChildren(
        el(`p.verdict${made.copies ? '.bad' : ''}`, {}, el('b', {}, made.verdict), el('br'), el('small', {}, made.evidence)),
        el('p.soft', {}, `real images are ${made.typical.toFixed(3)} from the nearest other (in the middle)`));
      const order = made.distances.map((d, i) => [d, i]).sort((a, b) => a[0] - b[0]);
      list.replaceChildren(...order.map(([distance, i]) => el('figure', {},
        picture(view.pictures[i], `sample ${i}`), picture(made.pictures[i], `training image ${made.rows[i]}`),
        el('figcaption', {}, `${distance.toFixed(3)}  sample ${i}`))));
      app.repeat(made, () => sheet(order.flatMap(([, i]) => [view.pictures[i], made.pictures[i]]), 8));
    }, (error) => note.replaceChildren(problem(error.message)));
  }

  return {
    samples: go,
    click(ref) { state.change({ pick: ref }); },
    changed(changes) { if ('pick' in changes) view.mark(); },
    leave() { channel.forget(); },
  };
}
