// Trainings as they run: losses, sample grids through time, the doctor's notes; several at once.

import { ask, Refused } from './net.js';
import * as state from './state.js';
import { el, problem, say } from './ui.js';
import { chart } from './charts.js';

const EVERY = 2000;
const FAR = 20; // times

export function watch(root, app) {
  let timer = null;
  let gone = false;
  const logs = new Map(); // of a run: its rows so far and the rest
  const list = el('section.card', { 'aria-label': 'Runs' });
  const detail = el('div.column', {});
  root.append(el('div', { id: 'watch' }, list, detail));
  const items = el('div.runs', {});
  list.append(el('h2', {}, 'Runs'), el('p.soft', {}, 'Tick several to compare them.'), items);

  const compared = () => (state.get().runs || '').split('|').filter(Boolean);
  const now = () => [...new Set([state.get().run, ...compared()])].filter(Boolean);

  async function tick() {
    clearTimeout(timer);
    if (gone) return;
    try {
      await app.reload();
      if (gone) return;
      drawList();
      for (const name of now()) await fetchLog(name);
      if (gone) return;
      drawDetail();
    } catch (error) {
      if (error instanceof Refused) say(error.message);
    }
    if (!gone) timer = setTimeout(tick, document.hidden ? 4 * EVERY : EVERY);
  }

  async function fetchLog(name) {
    const known = logs.get(name) || { rows: [] };
    try {
      const got = await ask(`/api/watch?run=${encodeURIComponent(name)}&after=${known.rows.length}`);
      known.rows = [...known.rows.slice(0, got.start), ...got.rows];
      Object.assign(known, { grids: got.grids, steps: got.steps, training: got.training, doctor: got.doctor, problem: '' });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      known.problem = error.message;
    }
    logs.set(name, known);
  }

  // ------------------------------------------------------------------ the list

  function drawList() {
    const all = [...app.runs, ...(app.begun || []).map((run) => ({ ...run, begun: true }))];
    const key = JSON.stringify([all.map((r) => [r.name, r.problem, r.steps, r.training && r.training.state]), now()]);
    if (items.dataset.key === key) return;
    items.dataset.key = key;
    const chosen = compared();
    items.replaceChildren(...all.map((run) => {
      const tick = el('input', { type: 'checkbox', checked: chosen.includes(run.name), disabled: !!run.problem || run.begun, 'aria-label': `Compare ${run.name}`,
        onchange: () => {
          const next = tick.checked ? [...chosen, run.name] : chosen.filter((name) => name !== run.name);
          state.change({ runs: next.join('|') || null });
        } });
      const last = run.steps && run.steps.length ? `step ${run.steps.at(-1).toLocaleString('en')}` : 'no checkpoint yet';
      const how = run.problem ? run.problem : run.begun ? `${run.training.state}: ${run.training.said.split('\n').at(-1) || 'starting'}` : `${run.recipe} on ${run.data}, ${last}`;
      return el('div.item', {}, tick, el('button', {
        type: 'button', disabled: !!run.problem || run.begun, 'aria-pressed': String(run.name === state.get().run), onclick: () => app.choose(run.name, {}),
      }, run.name + (run.training && run.training.state === 'runs' ? ' ●' : ''), el('small', {}, how)));
    }));
  }

  // ------------------------------------------------------------------ the chosen run

  function series(name, group) {
    const rows = logs.get(name).rows.filter((row) => row[group] && Object.keys(row[group]).length);
    const names = [...new Set(rows.flatMap((row) => Object.keys(row[group])))];
    return names.map((each) => ({ name: each, x: rows.map((row) => row.step), y: rows.map((row) => row[group][each] ?? null) }));
  }

  /** Series whose sizes are far apart are no lines of one chart: the smaller ones would lie flat. */
  function scales(found) {
    const size = (one) => Math.max(...one.y.filter(Number.isFinite).map(Math.abs), 1e-12);
    const groups = [];
    for (const one of [...found].sort((a, b) => size(b) - size(a))) {
      const last = groups.at(-1);
      if (last && size(last[0]) < FAR * size(one)) last.push(one); else groups.push([one]);
    }
    const place = (group) => Math.min(...group.map((one) => found.indexOf(one)));
    return groups.sort((a, b) => place(a) - place(b));
  }

  function legend(names) {
    return el('div.legend', {}, ...names.map((name, k) => el('span', {}, el(`i.k${k % 6}`), name)));
  }

  function card(title, ...inside) { return el('section.card', { 'aria-label': title }, el('h2', {}, title), ...inside); }

  function drawDetail() {
    const names = now().filter((name) => logs.has(name));
    if (!names.length) { detail.replaceChildren(el('p.soft', {}, 'choose a run')); return; }
    const key = JSON.stringify(names.map((name) => {
      const { rows, grids, training, doctor, problem: why } = logs.get(name);
      return [name, rows.length, grids, training, doctor, why];
    }));
    if (detail.dataset.key === key) return;
    detail.dataset.key = key;
    repeated(names);
    if (names.length > 1) { several(names); return; }
    const [name] = names;
    const log = logs.get(name);
    const parts = [];
    if (log.problem) { detail.replaceChildren(problem(log.problem)); return; }
    if (log.training) parts.push(running(name, log.training));
    if (log.doctor) parts.push(doctor(name, log));
    const charts = [['losses', 'Losses'], ['metrics', 'Metrics']].flatMap(([group, title]) => (
      scales(series(name, group)).map((found) => card(title, chart(title, found), legend(found.map((s) => s.name))))));
    const scores = log.rows.filter((row) => row.event === 'score' && typeof row.value === 'number');
    if (scores.length) {
      const what = scores[0].name;
      charts.push(card(`Score: ${what}`, chart(what, [{ name: what, x: scores.map((r) => r.step), y: scores.map((r) => r.value) }])));
    }
    detail.replaceChildren(...parts, el('div.charts', {}, grids(name, log), ...charts, facts(log)));
  }

  /** What repeats the view: the training of one run, the comparison of several. */
  function repeated(names) {
    const paths = names.map((name) => (app.runs.find((run) => run.name === name) || {}).path).filter(Boolean);
    if (!paths.length) { app.repeat(null, null); return; }
    const shell = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`);
    const words = paths.map((path) => JSON.stringify(path)).join(', ');
    const how = paths.length > 1
      ? { command: `genarium compare ${paths.map(shell).join(' ')}`, python: `import genarium\n\nreport = genarium.compare([${words}])\n` }
      : { command: `genarium train --config ${shell(`${paths[0]}/config.yaml`)}`,
        python: `import genarium\n\nrun = genarium.load(${words})\nrows = run.history()  # losses and metrics, a dict a row\nprint(genarium.diagnose(run, measure=False))\n` };
    app.repeat(how, !names.some((name) => (logs.get(name).grids || []).length) ? null : () => {
      const image = detail.querySelector('.gridbox img');
      const made = el('canvas', { width: image.naturalWidth, height: image.naturalHeight });
      made.getContext('2d').drawImage(image, 0, 0);
      return made;
    });
  }

  function facts(log) {
    const last = log.rows.filter((row) => row.losses).at(-1);
    if (!last) return card('Progress', el('p.soft', {}, 'nothing logged yet'));
    const words = [`step ${last.step.toLocaleString('en')}`];
    if (last.seconds) words.push(`${Math.round(last.seconds).toLocaleString('en')} s of training`);
    if (last.images && last.seconds) words.push(`${Math.round(last.images / last.seconds).toLocaleString('en')} images a second`);
    const events = log.rows.filter((row) => row.event && !['estimate', 'score'].includes(row.event)).map((row) => `${row.event} at step ${row.step}`);
    return card('Progress', el('p', {}, words.join(', ')), ...events.slice(-5).map((text) => el('p.soft', {}, text)));
  }

  function doctor(name, log) {
    const { diagnoses, passed, readings, measured, problem: why } = log.doctor;
    const words = why ? [problem(why)] : diagnoses.length ? diagnoses.map((each) => el('div.note', {},
      el('b', {}, each.title), ` (from step ${each.step.toLocaleString('en')}${passed.includes(each.name) ? ', no longer so at the end' : ''})`,
      el('p', {}, each.evidence), el('p', {}, `${each.remedy} `, el('small', {}, `(${each.source})`))))
      : [el('p.soft', {}, readings ? `nothing wrong was seen in ${readings} readings`
        : 'the training took no readings: it was too short, or without the doctor')];
    const button = el('button.small', { type: 'button', onclick: async () => {
      button.disabled = true;
      button.textContent = 'looking …';
      try {
        log.doctor = await ask('/api/diagnose', { run: name });
        detail.dataset.key = '';
        drawDetail();
      } catch (error) { say(error.message); button.disabled = false; button.textContent = 'Look at the model too'; }
    } }, 'Look at the model too');
    return card('The doctor\u2019s notes', ...words, measured || !(log.steps || []).length ? null : button);
  }

  function running(name, training) {
    const lines = training.said.split('\n').slice(-6).join('\n');
    return card('Training', el('p', {}, training.state), el('pre', {}, training.command), lines ? el('pre', {}, lines) : null,
      training.state === 'runs' ? el('button', { type: 'button', onclick: () => stop(name) }, 'Stop, with a checkpoint') : null);
  }

  async function stop(name) {
    try {
      await ask(`/api/trainings/stop?run=${encodeURIComponent(name)}`, {});
      say('stopping: it saves a checkpoint first');
      tick();
    } catch (error) { say(error.message); }
  }

  function grids(name, log) {
    if (!log.grids || !log.grids.length) return card('Samples through time', el('p.soft', {}, 'no sample grid yet'));
    const image = el('img.pic', { alt: '' });
    const label = el('span.soft', {}, '');
    const last = log.grids.length - 1;
    const wanted = log.grids.indexOf(state.get().gridstep);
    const scrub = el('input', { type: 'range', min: 0, max: last, value: wanted < 0 ? last : wanted, 'aria-label': 'Step of the samples',
      oninput: () => { see(); state.change({ gridstep: Number(scrub.value) === last ? null : log.grids[Number(scrub.value)] }, true); } });
    function see() {
      const step = log.grids[Number(scrub.value)];
      image.src = `/api/grid?run=${encodeURIComponent(name)}&step=${step}`;
      image.alt = `samples of ${name} at step ${step}`;
      label.textContent = `step ${step.toLocaleString('en')} (${Number(scrub.value) + 1} of ${last + 1})`;
    }
    image.addEventListener('error', () => { label.textContent = 'this grid is not there any more'; });
    see();
    const box = el('div.gridbox', {}, image);
    return card('Samples through time', box, scrub, label);
  }

  function several(names) {
    const found = new Map();
    for (const name of names) {
      if (logs.get(name).problem) continue;
      for (const one of series(name, 'losses')) found.set(one.name, [...(found.get(one.name) || []), { ...one, name }]);
    }
    const shared = [...found].sort((a, b) => b[1].length - a[1].length);
    detail.replaceChildren(
      el('div.charts', {}, ...names.map((name) => {
        const log = logs.get(name);
        return log.problem ? card(name, problem(log.problem)) : el('div', {}, el('h3', {}, name), grids(name, log));
      })),
      el('div.charts', {}, ...shared.map(([loss, lines]) => card(loss, chart(loss, lines), legend(lines.map((s) => s.name))))));
  }

  tick();
  return {
    changed(changes) { if ('runs' in changes) { detail.dataset.key = ''; tick(); } },
    back() { tick(); },
    leave() { gone = true; clearTimeout(timer); },
  };
}
