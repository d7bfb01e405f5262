// A training is started from a form that the recipe's signature makes.

import { ask } from './net.js';
import * as state from './state.js';
import { el, control, problem, say } from './ui.js';

const PRESETS = ['quick', 'standard', 'large', 'paper'];

export function train(root, app) {
  const place = el('div.column', { id: 'train' }, el('p.soft', {}, 'reading the recipes …'));
  root.append(place);
  let values = {};
  let known = null;

  async function start() {
    try {
      known = await ask('/api/recipes');
    } catch (error) { place.replaceChildren(problem(error.message)); return; }
    draw();
  }

  async function draw() {
    const s = state.get();
    const recipe = el('select', { id: 'recipe', onchange: () => { values = {}; state.change({ recipe: recipe.value }, true); draw(); } });
    const families = Map.groupBy ? Map.groupBy(known.recipes, (r) => r.taxonomy.join(', ')) : grouped(known.recipes);
    for (const [family, some] of families) {
      recipe.append(el('optgroup', { label: family }, ...some.map((r) => el('option', { value: r.name }, r.name))));
    }
    recipe.value = s.recipe || 'vae';
    const chosen = known.recipes.find((r) => r.name === recipe.value) || known.recipes[0];
    recipe.value = chosen.name;
    const data = el('input', { id: 'data', value: s.data || 'digits', onchange: () => state.change({ data: data.value }, true) });
    data.setAttribute('list', 'sources');
    const sources = el('datalist', { id: 'sources' }, ...known.data.map((d) => el('option', { value: d.name }, d.summary)));
    const name = el('input', { id: 'name', placeholder: 'the next free one', maxLength: 80 });
    const preset = el('select', { id: 'preset' }, el('option', { value: '' }, 'the recipe\u2019s own'), ...PRESETS.map((p) => el('option', { value: p }, p)));
    const note = el('div', { role: 'status' });
    const groups = el('div.column', {}, el('p.soft', {}, 'reading the settings …'));
    const begin = el('button.primary', { type: 'submit' }, 'Start training');
    const form = el('form.card.column', { onsubmit: (event) => { event.preventDefault(); go(); } },
      el('h2', {}, 'Train a model'),
      el('div.form', {},
        el('label.field', {}, 'Recipe', recipe, el('small', {}, `${chosen.summary}${chosen.paper ? ` (${chosen.paper})` : ''}`)),
        el('label.field', {}, 'Data', data, sources, el('small', {}, 'a built-in set, or a folder of pictures on this machine')),
        el('label.field', {}, 'Name', name, el('small', {}, `of the run folder in ${app.home}`)),
        el('label.field', {}, 'Size', preset, el('small', {}, 'quick: some ten minutes of two cores'))),
      groups, el('div.row', {}, begin), note);
    place.replaceChildren(form);

    async function go() {
      begin.disabled = true;
      note.replaceChildren(el('p.soft', {}, 'starting …'));
      const body = { recipe: recipe.value, data: data.value.trim(), settings: values };
      if (name.value.trim()) body.out = name.value.trim();
      if (preset.value) body.preset = preset.value;
      try {
        const made = await ask('/api/trainings', body);
        say(made.command);
        app.choose(made.name, { view: 'watch' });
      } catch (error) {
        note.replaceChildren(problem(error.message));
      }
      begin.disabled = false;
    }

    try {
      const made = await ask(`/api/form?recipe=${encodeURIComponent(recipe.value)}`);
      groups.replaceChildren(...made.groups.map((group, i) => el('details', { open: i === 0 },
        el('summary', {}, group.title),
        el('div.form', {}, ...group.controls.map((c) => {
          const one = control(c, values[c.name], (value) => {
            if (value === null) delete values[c.name];
            else values[c.name] = c.kind === 'flag' ? value === 'true' : value;
          });
          one.append(el('small', {}, c.help));
          return one;
        })))));
    } catch (error) { groups.replaceChildren(problem(error.message)); }
  }

  function grouped(rows) {
    const found = new Map();
    for (const row of rows) {
      const key = row.taxonomy.join(', ');
      found.set(key, [...(found.get(key) || []), row]);
    }
    return found;
  }

  start();
  return {};
}
