// The page: which run, which view, how it is repeated.

import { ask, onLost, Refused, Channel } from './net.js';
import * as state from './state.js';
import { el, say, copy, download, problem } from './ui.js';
import { explore } from './explore.js';
import { pictures } from './pictures.js';
import { watch } from './watch.js';
import { train } from './train.js';

const VIEWS = { explore, pictures, watch, train };
const NEEDS_MODEL = new Set(['explore', 'pictures']);
const OF_A_RUN = /^(step|class|text|code|a\..*|s\..*|pick|set|from|to|plus|minus|third|page|picture|direction|gridstep)$/;
const main = document.querySelector('#main');
const runSelect = document.querySelector('#run');
const stepSelect = document.querySelector('#step');
const about = document.querySelector('#about');

const app = {
  runs: [],
  model: null,
  how: null,
  png: null,
  /** What the buttons below repeat: {command, python} of the view, and its pictures as a canvas. */
  repeat(how, png) {
    app.how = how;
    if (png !== undefined) app.png = png;
    document.querySelector('#command').disabled = !(how && how.command);
    document.querySelector('#python').disabled = !(how && how.python);
    document.querySelector('#png').disabled = !app.png;
  },
  choose(run, changes = {}) {
    const cleared = {};
    for (const key of Object.keys(state.get())) if (OF_A_RUN.test(key)) cleared[key] = null;
    state.change({ ...cleared, run, ...changes }, true);
    show();
  },
  reload,
};
window.studio = { latency: [], stats: Channel.stats, app };

async function reload() {
  const known = await ask('/api/runs');
  app.runs = known.runs;
  app.home = known.home;
  app.begun = known.begun;
  const names = app.runs.filter((run) => !run.problem).map((run) => run.name);
  if (runSelect.dataset.names !== names.join('\n')) {
    runSelect.dataset.names = names.join('\n');
    runSelect.replaceChildren(...names.map((name) => el('option', { value: name }, name)));
  }
  const wanted = state.get().run;
  if (wanted && !names.includes(wanted)) {
    runSelect.prepend(el('option', { value: wanted, disabled: true }, `${wanted} (not here)`));
    runSelect.dataset.names = '';
  }
  if (wanted) runSelect.value = wanted;
  return known;
}

let view = null;
let turn = 0;

async function show() {
  const mine = ++turn;
  const s = state.get();
  const name = VIEWS[s.view] ? s.view : 'explore';
  document.querySelectorAll('nav button').forEach((button) => {
    if (button.dataset.view === name) button.setAttribute('aria-current', 'page');
    else button.removeAttribute('aria-current');
  });
  if (view && view.leave) view.leave();
  view = null;
  app.repeat(null, null);
  say('');
  try {
    await reload();
    if (mine !== turn) return;
    if (!app.runs.some((run) => !run.problem) && name !== 'train') {
      main.replaceChildren(empty());
      about.textContent = '';
      return;
    }
    const usable = app.runs.find((run) => run.steps && run.steps.length) || app.runs[0];
    if (!s.run && usable) state.change({ run: usable.name }, true);
    runSelect.value = state.get().run || '';
    if (NEEDS_MODEL.has(name)) {
      main.replaceChildren(el('p.soft', {}, 'loading the model …'));
      const at = s.step === undefined ? '' : `&step=${s.step}`;
      app.model = await ask(`/api/model?run=${encodeURIComponent(state.get().run)}${at}`);
      if (mine !== turn) return;
    }
    headed(name);
    main.replaceChildren();
    view = VIEWS[name](main, app);
  } catch (error) {
    if (mine !== turn) return;
    about.textContent = '';
    main.replaceChildren(problem(error.message));
    if (!(error instanceof Refused)) retry(mine);
  }
}

function retry(mine) { setTimeout(() => { if (mine === turn) show(); }, 1500); }

function empty() {
  return el('div.card', {}, el('h2', {}, 'No runs yet'),
    el('p', {}, `There is no trained run in ${app.home}. `),
    el('button.primary', { type: 'button', onclick: () => go('train') }, 'Train one'));
}

function headed(name) {
  const m = app.model;
  const ofModel = NEEDS_MODEL.has(name);
  stepSelect.parentElement.hidden = !ofModel;
  runSelect.parentElement.hidden = name === 'train';
  if (!ofModel) { about.textContent = ''; return; }
  stepSelect.replaceChildren(...m.steps.map((step) => el('option', { value: step }, step.toLocaleString('en'))));
  stepSelect.value = m.step;
  const [c, h, w] = m.shape;
  about.textContent = `${m.recipe} (${m.taxonomy.join(', ')}${m.paper ? `; ${m.paper}` : ''}) on ${m.data}, `
    + `${h}×${w}${c === 1 ? ' grey' : c === 3 ? ' RGB' : ` in ${c} channels`}, step ${m.step.toLocaleString('en')}`;
}

function go(name) {
  state.change({ view: name }, true);
  show();
}

document.querySelectorAll('nav button').forEach((button) => {
  button.addEventListener('click', () => go(button.dataset.view));
});
runSelect.addEventListener('change', () => app.choose(runSelect.value));
stepSelect.addEventListener('change', () => {
  state.change({ step: Number(stepSelect.value) }, true);
  show();
});
document.querySelector('#link').addEventListener('click', () => {
  state.flush();
  copy(location.href, 'the link');
});
document.querySelector('#command').addEventListener('click', () => copy(app.how.command, 'the command'));
document.querySelector('#python').addEventListener('click', () => copy(app.how.python, 'Python'));
document.querySelector('#png').addEventListener('click', () => {
  app.png().toBlob((blob) => download(blob, `${state.get().run}.png`), 'image/png');
});

onLost((lost) => {
  document.querySelector('#lost').hidden = !lost;
  if (!lost) reload().then(() => { if (view && view.back) view.back(); }, () => {});
});
state.watch((s, changes) => {
  if (changes === null) show(); // the address was changed by hand
  else if (view && view.changed) view.changed(changes);
});
state.start();
show();
