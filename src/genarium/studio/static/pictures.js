// A picture that is drawn, dropped or taken from the test split, and what the model makes of it.

import { ask, Channel, Refused } from './net.js';
import * as state from './state.js';
import { el, named, picture, paint, problem, say, download } from './ui.js';
import { brush } from './brush.js';
import { copyOf } from './sliders.js';

const LARGEST = 64 * 1024 * 1024;

export function pictures(root, app) {
  const { model } = app;
  if (model.can.pictures !== true) { root.append(problem(model.can.pictures)); return {}; }
  const upload = new Channel('upload');
  const side = el('section.card.column', { 'aria-label': 'The picture' });
  const cards = el('div.cards', {});
  root.append(el('div', { id: 'pictures' }, side, cards));
  const seen = picture(null, 'the picture as the model sees it');
  const name = el('figcaption', {}, 'draw, drop a file, or take a test image');
  const note = el('div', { role: 'status' });
  const all = [];
  let way = state.get().direction || model.directions[0];

  // ------------------------------------------------------------------ where it comes from

  const [channels, height, width] = way && way[0] === 'b' && model.translated ? model.translated : model.shape;
  const pad = brush({ height, width, colour: channels === 3, paper: channels === 1 ? '#000000' : '#ffffff',
    label: 'Draw here', live: send, ended: send });
  const [, taken] = /^test:(\d+)$/.exec(state.get().picture || '') || [null, 0];
  const number = el('input', { type: 'number', min: 0, value: taken, 'aria-label': 'Number of the test image' });
  const file = el('input', { type: 'file', accept: 'image/*,.tif,.tiff,.npy,.npz', id: 'file', onchange: () => { if (file.files[0]) take(file.files[0]); } });
  const drop = el('label.drop', { htmlFor: 'file' }, 'Drop a picture here, or choose one', el('br'), file);
  drop.addEventListener('dragover', (event) => { event.preventDefault(); drop.classList.add('over'); });
  drop.addEventListener('dragleave', () => drop.classList.remove('over'));
  drop.addEventListener('drop', (event) => {
    event.preventDefault();
    drop.classList.remove('over');
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });
  const pasted = (event) => {
    const item = [...(event.clipboardData ? event.clipboardData.files : [])][0];
    if (item) take(item);
  };
  addEventListener('paste', pasted);
  side.append(
    el('h2', {}, 'Draw'), pad.root, drop,
    el('div.row', {}, el('span', {}, 'Test image'), number,
      el('button', { type: 'button', onclick: () => { upload.forget(); choose(`test:${Math.max(0, Math.floor(Number(number.value) || 0))}`); } }, 'Take')),
    note);
  const own = el('section.card', { 'aria-label': 'As the model sees it' }, el('h2', {}, 'As the model sees it'),
    el('figure.big', {}, seen, name), el('div.row', {},
      el('button.small', { type: 'button', onclick: save }, 'Save it'),
      model.can.walk === true ? el('button.small', { type: 'button', onclick: walkFrom }, 'Walk from it') : null));

  function save() {
    if (state.get().picture) copyOf([seen]).toBlob((blob) => download(blob, 'drawing.png'));
  }

  function walkFrom() {
    const { picture: ref } = state.get();
    if (!ref) return;
    state.change({ view: 'explore', tool: 'walk', from: ref }, true);
    document.querySelector('nav button[data-view=explore]').click();
  }

  function send() {
    upload.ask('', async () => {
      const blob = await pad.blob();
      return ask('/api/pictures?name=drawing.png', blob, { raw: true });
    }, (kept) => choose(`picture:${kept.key}`), failed);
  }

  async function take(given) {
    upload.forget(); // a drawing on its way comes no more: the file has taken its place
    if (given.size > LARGEST) { failed({ message: `${given.name} is larger than 64 MB: choose a smaller one` }); return; }
    try {
      const kept = await ask(`/api/pictures?name=${encodeURIComponent(given.name)}`, given, { raw: true });
      choose(`picture:${kept.key}`);
    } catch (error) { failed(error); }
    file.value = '';
  }

  let failures = 0;
  function failed(error) { failures += 1; note.replaceChildren(problem(error.message)); }

  // ------------------------------------------------------------------ what is made of it

  function body(more = {}) {
    const s = state.get();
    const given = { run: s.run, picture: s.picture, ...more };
    if (s.step !== undefined) given.step = s.step;
    return given;
  }

  function choose(ref) { state.change({ picture: ref }); }

  const first = new Channel('seen');
  const painted = () => seen.hasAttribute('width');
  function look() {
    if (!state.get().picture) return;
    if (!painted()) name.textContent = 'reading it …'; // of a test image the run's data, which may take long
    const before = failures; // a failure that came meanwhile is of something else, and stays to be read
    first.ask('/api/picture/seen', body(model.directions.length ? { direction: way } : {}), (made) => {
      if (failures === before) note.replaceChildren();
      paint(seen, made.pictures[0]);
      name.textContent = made.name.startsWith('test:') ? named(made.name) : made.name;
      pad.show(made.pictures[0]);
      all.forEach((card) => card.picture(made.pictures[0]));
    }, (error) => {
      failed(error);
      if (!painted()) name.textContent = 'draw, drop a file, or take a test image';
      all.forEach((card) => card.clear());
    });
  }

  /** A card of a view: how is automatic (asked at once) or by a button. */
  function card({ tool, title, view, auto = true, button = '', more = () => ({}), shown, extra = null }) {
    const why = model.can[tool];
    const place = el('section.card', { 'aria-label': title });
    if (why !== true) return { why, picture() {}, clear() {} };
    const channel = new Channel(view);
    const inside = el('div', { role: 'status' }, el('p.soft', {}, 'no picture yet'));
    const go = () => {
      if (!state.get().picture) return;
      // what is there while one draws stays until the next
      if (!auto || !inside.querySelector('canvas, .number')) inside.replaceChildren(el('p.soft', {}, 'working …'));
      channel.ask(`/api/picture/${view}`, body(more()), (made) => {
        inside.replaceChildren(...[shown(made)].flat());
        app.repeat(made, made.pictures.length ? () => copyOf([...(painted() ? [seen] : []), ...inside.querySelectorAll('canvas')]) : null);
      }, (error) => inside.replaceChildren(problem(error.message)));
    };
    place.append(el('h2', {}, title), ...(extra ? [extra] : []),
      ...(auto ? [] : [el('button', { type: 'button', onclick: go }, button)]), inside);
    return {
      place, go,
      picture() { if (auto) go(); else inside.replaceChildren(); },
      clear() { channel.forget(); inside.replaceChildren(); },
    };
  }

  const slow = model.taxonomy.includes('path');
  const captioned = (data, label, text) => el('figure.big', {}, picture(data, label), el('figcaption', {}, text));
  const bars = (code) => {
    if (!code.length) return [];
    const most = Math.max(...code.map(Math.abs), 1e-9);
    const made = el('div.bars', { role: 'img', 'aria-label': `the code, ${code.length} numbers from ${Math.min(...code)} to ${Math.max(...code)}` },
      ...code.slice(0, 256).map((z, d) => {
        const bar = el('i', { title: `z${d} ${z}` });
        bar.style.setProperty('--h', `${50 * Math.abs(z) / most}%`);
        bar.style.setProperty('--y', z > 0 ? '-50%' : '50%');
        return bar;
      }));
    return [made, el('small', {}, `its code: ${code.length} numbers${code.length > 256 ? ', the first 256 shown' : ''}`)];
  };

  all.push(card({ tool: 'reconstruct', title: 'Reconstruction', view: 'reconstruct', auto: !slow, button: 'Reconstruct',
    shown: (made) => [captioned(made.pictures[0], 'its reconstruction', `mean squared error ${made.mse.toFixed(5)} a pixel`), ...bars(made.code)] }));
  all.push(card({ tool: 'translate', title: 'Translation', view: 'translate',
    extra: model.directions.length > 1 ? directions() : null, more: () => ({ direction: way }),
    shown: (made) => captioned(made.pictures[0], 'its translation', made.direction) }));
  all.push(card({ tool: 'likelihood', title: 'Likelihood', view: 'likelihood', auto: !slow, button: 'Estimate',
    shown: (made) => [el('p.number', {}, `${made.bits.toFixed(3)} bits a dimension`),
      el('p.soft', {}, `${{ log_prob: 'ln p(x) =', elbo: 'ln p(x) is at least', estimate_log_prob: 'ln p(x) is about' }[made.kind]} ${made.nats.toFixed(1)} nats, of ${made.density}`)] }));
  all.push(card({ tool: 'invert', title: 'Inversion', view: 'invert', auto: false, button: 'Search its code',
    shown: (made) => [captioned(made.pictures[0], 'the nearest that the model can make', `the nearest image that the model can make: mean squared error ${made.mse.toFixed(5)} a pixel`), ...bars(made.code)] }));
  all.push(completion());
  all.push(card({ tool: 'nearest', title: 'Nearest training image', view: 'beside', auto: false, button: 'Look for it',
    shown: (made) => captioned(made.pictures[0], 'the nearest training image', `distance ${made.distance.toFixed(3)} (real images to the nearest other: ${made.typical.toFixed(3)})`) }));
  const possible = all.filter((each) => each.go);
  const missing = [...new Set(all.filter((each) => !each.go).map((each) => each.why))];
  cards.append(own, ...possible.map((each) => each.place));
  if (missing.length) cards.append(el('p.soft.missing', {}, `Not here: ${missing.join('; ')}.`));

  function directions() {
    const made = el('select', { 'aria-label': 'Direction', onchange: () => { way = made.value; state.change({ direction: way }, true); look(); } },
      model.directions.map((d) => el('option', { value: d }, d)));
    made.value = way;
    return made;
  }

  /** Erase a part with a brush; the model draws it anew. */
  function completion() {
    if (model.can.complete !== true) return card({ tool: 'complete' });
    const erase = brush({ height, width, erase: true, label: 'Erase here', ended: () => made.go() });
    const made = card({ tool: 'complete', title: 'Completion', view: 'complete', auto: false, button: 'Complete',
      extra: el('div', {}, el('p.soft', {}, 'Erase a part with the brush; the model draws it anew, four times.'), erase.root,
        el('button.small', { type: 'button', onclick: async () => download(await erase.mask(), 'mask.png') }, 'Save mask')),
      more: () => ({ keep: erase.kept(), draws: 4 }),
      shown: (result) => el('div.pair', {}, ...result.pictures.map((data, i) => picture(data, `completion ${i + 1}`))) });
    const before = made.picture;
    made.picture = (data) => { before(); erase.show(data); };
    return made;
  }

  if (state.get().picture) look();
  return {
    changed(changes) { if ('picture' in changes) look(); },
    back() { look(); },
    leave() { removeEventListener('paste', pasted); upload.forget(); first.forget(); all.forEach((each) => each.clear()); },
  };
}

export { Refused, say };
