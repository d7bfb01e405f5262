// The tools beside the samples: code, walk, sum, neighbours.

import * as state from './state.js';
import { el, problem } from './ui.js';
import { code } from './sliders.js';
import { walk } from './walk.js';
import { sum } from './sum.js';
import { nearest } from './nearest.js';

const TOOLS = {
  code: ['Code', 'code', code], walk: ['Walk', 'walk', walk],
  sum: ['A − B + C', 'sum', sum], near: ['Copies?', 'nearest', nearest],
};

export function tools(root, view) {
  const { model } = view;
  const usable = Object.keys(TOOLS).filter((name) => model.can[TOOLS[name][1]] === true);
  const tabs = el('div.tabs', { role: 'tablist', 'aria-label': 'Tools' });
  const body = el('div', { role: 'tabpanel' });
  root.replaceChildren(tabs, body);
  let now = null;
  let name = '';

  function open() {
    const wanted = state.get().tool;
    const next = usable.includes(wanted) ? wanted : usable[0];
    if (now && now.leave) now.leave();
    view.marks = {};
    name = next;
    tabs.replaceChildren(...usable.map((each) => el('button', {
      type: 'button', role: 'tab', 'aria-selected': String(each === next),
      onclick: () => state.change({ tool: each }),
    }, TOOLS[each][0])));
    const missing = Object.keys(TOOLS).filter((each) => !usable.includes(each));
    const why = [...new Set(missing.map((each) => model.can[TOOLS[each][1]]))];
    body.replaceChildren();
    if (next) now = TOOLS[next][2](body, view);
    else { tabs.hidden = true; now = null; }
    body.append(...why.map((text) => el('p.soft', {}, `${text}.`)));
    if (view.refs.length) { view.mark(); if (now) now.samples(); }
  }

  open();
  return {
    samples() { if (now) now.samples(); },
    click(ref) { if (now) now.click(ref); else state.change({ pick: ref }); },
    changed(changes) {
      if ('tool' in changes && (changes.tool || '') !== name) open();
      else if (now && now.changed) now.changed(changes);
    },
    leave() { if (now && now.leave) now.leave(); },
  };
}

export { problem };
