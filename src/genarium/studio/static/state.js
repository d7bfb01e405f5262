// What is shown, as the page's address: everything that a link must restore, and nothing else.

const watchers = new Set();
let current = {};

const NUMBERS = new Set(['step', 'n', 'seed', 'frames', 'withstep', 'page', 'brush', 'gridstep']);

function parse() {
  const found = {};
  for (const [key, value] of new URLSearchParams(location.hash.slice(1))) {
    if (NUMBERS.has(key)) {
      const number = Number(value);
      if (Number.isInteger(number) && number >= 0) found[key] = number;
    } else if (key === 'set') {
      found.set = {};
      for (const part of value.split(',')) {
        const [d, x] = part.split(':').map(Number);
        if (Number.isInteger(d) && d >= 0 && Number.isFinite(x)) found.set[d] = x;
      }
    } else {
      found[key] = value;
    }
  }
  return found;
}

function written() {
  const words = new URLSearchParams();
  for (const [key, value] of Object.entries(current)) {
    if (value === undefined || value === null || value === '') continue;
    if (key === 'set') {
      const parts = Object.entries(value).map(([d, x]) => `${d}:${x}`);
      if (parts.length) words.set(key, parts.join(','));
    } else {
      words.set(key, String(value));
    }
  }
  // commas and colons may stand in an address as they are, and read better so
  return words.toString().replaceAll('%2C', ',').replaceAll('%3A', ':');
}

export function get() { return current; }

/** Change what is shown; null takes a key away. The watchers are told, unless quiet. */
export function change(changes, quiet = false) {
  for (const [key, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === '') delete current[key];
    else current[key] = value;
  }
  write();
  if (!quiet) watchers.forEach((watcher) => watcher(current, changes));
}

let timer = null;
let before = 0;
function write() {
  // browsers limit how often an address may change
  const wait = Math.max(0, 250 - (performance.now() - before));
  clearTimeout(timer);
  timer = setTimeout(flush, wait);
}

export function flush() {
  clearTimeout(timer);
  timer = null;
  before = performance.now();
  const hash = `#${written()}`;
  if (hash !== location.hash) history.replaceState(null, '', hash);
}

export function watch(watcher) { watchers.add(watcher); }

export function start() {
  current = parse();
  addEventListener('hashchange', () => {
    if (timer) return;
    current = parse();
    watchers.forEach((watcher) => watcher(current, null));
  });
}

/** The part of what is shown that says which samples: the body of a request. */
export function drawn(model) {
  const s = current;
  const body = { run: s.run, n: Math.min(256, Math.max(1, s.n || model.n)), seed: s.seed || 0 };
  if (s.step !== undefined) body.step = s.step;
  const attributes = model.condition.filter((c) => c.kind === 'attribute')
    .map((c) => [c.name, s[`a.${c.name}`]]).filter(([, value]) => value);
  if (attributes.length) body.condition = attributes.map(([k, v]) => `${k}:${v}`).join('+');
  if (s.class && model.condition.some((c) => c.kind === 'class')) body.condition = s.class;
  if (s.text && model.condition.some((c) => c.kind === 'text')) body.text = s.text;
  if (s.code && model.condition.some((c) => c.kind === 'code')) body.code = s.code;
  const settings = {};
  for (const control of model.sampler) {
    const value = s[`s.${control.name}`];
    if (value !== undefined) {
      settings[control.name] = control.kind === 'flag' ? value === 'true' : value;
    }
  }
  if (Object.keys(settings).length) body.settings = settings;
  return body;
}
