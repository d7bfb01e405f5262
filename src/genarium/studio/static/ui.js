// Elements, pictures, messages, files.

/** An element: el('button.small', {type: 'button', onclick: f}, 'Go', other). */
export function el(what, given = {}, ...inner) {
  const [tag, ...classes] = what.split('.');
  const made = document.createElement(tag || 'div');
  if (classes.length) made.className = classes.join(' ');
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined || value === null) continue;
    if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else if (key in made && !key.startsWith('aria') && key !== 'list') made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...inner.flat().filter((part) => part !== null && part !== undefined));
  return made;
}

/** What a reference is called: a sample's number, `test:3`, a picture that was dropped. */
export function named(ref) {
  if (ref.startsWith('test:')) return `test image ${ref.slice(5)}`;
  return ref.includes(':') ? 'the dropped picture' : `sample ${ref}`;
}

/** A canvas that shows a picture; its label is read out. */
export function picture(data, label) {
  // a canvas of no size is not shown (studio.css) until it is painted
  const canvas = el('canvas.pic', { role: 'img', 'aria-label': label || 'picture' });
  if (data) paint(canvas, data);
  return canvas;
}

export function paint(canvas, data) {
  if (canvas.width !== data.width || canvas.height !== data.height) {
    canvas.width = data.width;
    canvas.height = data.height;
  }
  canvas.getContext('2d').putImageData(data, 0, 0);
}

const status = document.querySelector('#status');
export function say(text) { status.textContent = text || ''; }

export function problem(text) { return el('p.problem', {}, text); }

/** Copy a text, or show it to be copied by hand. */
export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    say(`copied ${what}: ${text.split('\n')[0].slice(0, 160)}${text.includes('\n') ? ' …' : ''}`);
  } catch {
    const dialog = document.querySelector('#words');
    dialog.querySelector('p').textContent = what;
    dialog.querySelector('textarea').value = text;
    if (!dialog.open) dialog.showModal();
    dialog.querySelector('textarea').select();
  }
}

export function download(blob, name) {
  const address = URL.createObjectURL(blob);
  el('a', { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
  say(`saved ${name}`);
}

/** Pictures as one: rows of `columns`, each enlarged in whole steps. */
export function sheet(pictures, columns) {
  const [first] = pictures;
  const times = Math.max(1, Math.round(96 / Math.max(first.width, first.height)));
  const gap = 4;
  const [w, h] = [first.width * times + gap, first.height * times + gap];
  const across = Math.min(columns, pictures.length);
  const made = el('canvas', {
    width: across * w + gap, height: Math.ceil(pictures.length / across) * h + gap,
  });
  const pen = made.getContext('2d');
  pen.fillStyle = '#808080';
  pen.fillRect(0, 0, made.width, made.height);
  pen.imageSmoothingEnabled = false;
  pictures.forEach((data, i) => {
    const one = el('canvas', { width: data.width, height: data.height });
    one.getContext('2d').putImageData(data, 0, 0);
    const [x, y] = [i % across, Math.floor(i / across)];
    pen.drawImage(one, gap + x * w, gap + y * h, data.width * times, data.height * times);
  });
  return made;
}

/** A control of a setting; changed(value) gets a text, or null for the default. */
export function control(given, value, changed) {
  const id = `c-${given.name}-${Math.random().toString(36).slice(2, 7)}`;
  let input;
  if (given.kind === 'flag') {
    const now = value !== undefined ? value === 'true' || value === true : given.default === true;
    input = el('input', { type: 'checkbox', id, checked: now,
      onchange: () => changed(input.checked === (given.default === true) ? null : String(input.checked)) });
  } else if (given.choices && given.choices.length && given.kind !== 'list') {
    const none = given.default === null || given.default === undefined;
    const options = given.choices.map((c) => el('option', { value: c }, c));
    if (none || given.any) options.unshift(el('option', { value: '' }, given.any || 'default'));
    input = el('select', { id, onchange: () => changed(input.value === String(given.default) ? null : input.value || null) }, ...options);
    input.value = value ?? (none ? '' : String(given.default));
  } else {
    const number = given.kind === 'int' || given.kind === 'float';
    const shown = Array.isArray(given.default) ? given.default.join(',') : given.default;
    input = el('input', {
      id, type: number ? 'number' : 'text', placeholder: shown ?? '', value: value ?? '',
      step: given.kind === 'int' ? 1 : 'any', min: given.least ?? given.above, max: given.most ?? given.below,
      onchange: () => changed(input.value.trim() === '' ? null : input.value.trim()),
    });
  }
  input.title = given.help;
  return el('label.field', { htmlFor: id, title: given.help }, given.label || given.name.replaceAll('_', ' '), input);
}
