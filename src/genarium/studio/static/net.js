// Requests: packets of pictures, channels in which only the latest request counts, a lost server.

const page = Math.random().toString(36).slice(2, 10);
const watchers = new Set();
let lost = false;
let count = 0;

export class Refused extends Error {}
export class Lost extends Error {}

export function onLost(watcher) { watchers.add(watcher); }

function isLost(now) {
  if (now === lost) return;
  lost = now;
  watchers.forEach((watcher) => watcher(lost));
  if (lost) setTimeout(again, 1000);
}

async function again() {
  try {
    await fetch('/api/runs', { cache: 'no-store' });
    isLost(false);
  } catch {
    setTimeout(again, 1000);
  }
}

/** A request; throws Refused with the server's one line, and Lost where there is no server. */
export async function ask(path, body, { method, raw = false } = {}) {
  const given = body === undefined ? {} : raw ? { body } : {
    body: JSON.stringify(body), headers: { 'content-type': 'application/json' },
  };
  let reply;
  try {
    reply = await fetch(path, { method: method || (body === undefined ? 'GET' : 'POST'), ...given });
  } catch (error) {
    isLost(true);
    throw new Lost('the studio does not answer');
  }
  isLost(false);
  if (reply.status === 409) return null; // a later request has taken its place
  if (!reply.ok) {
    let said = `${reply.status} ${reply.statusText}`;
    const text = await reply.text();
    try { said = JSON.parse(text).detail || said; } catch { said = text.slice(0, 200) || said; }
    throw new Refused(reply.status >= 500 && reply.status !== 503
      ? 'the studio failed at this: its terminal says why' : said);
  }
  const kind = reply.headers.get('content-type') || '';
  if (kind.startsWith('application/json')) return reply.json();
  if (kind.startsWith('application/vnd.genarium')) return unpack(await reply.arrayBuffer());
  return reply.blob();
}

/** A packet: {...facts, pictures: [ImageData]}. */
function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const facts = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const [count, height, width, channels] = facts.shape;
  const bytes = new Uint8Array(buffer, 4 + length);
  const pictures = [];
  for (let number = 0, at = 0; number < count; number++) {
    const pixels = new Uint32Array(height * width); // RGBA, little-endian
    if (channels === 1) {
      for (let i = 0; i < pixels.length; i++) pixels[i] = 0xff000000 | (bytes[at++] * 0x010101);
    } else {
      for (let i = 0; i < pixels.length; i++, at += 3) {
        pixels[i] = 0xff000000 | (bytes[at + 2] << 16) | (bytes[at + 1] << 8) | bytes[at];
      }
    }
    pictures.push(new ImageData(new Uint8ClampedArray(pixels.buffer), width, height));
  }
  return { ...facts, pictures };
}

/** One request at a time; what is asked meanwhile waits, and of that only the latest is kept. */
export class Channel {
  static stats = { asked: 0, sent: 0, dropped: 0 };

  constructor(name) {
    this.name = `${page}-${name}`;
    this.number = 0;
    this.next = null;
    this.busy = false;
  }

  /** done(result) or failed(error), for the latest alone. */
  ask(path, body, done, failed = () => {}) {
    Channel.stats.asked++;
    if (this.next) Channel.stats.dropped++;
    this.next = { path, body, done, failed };
    if (!this.busy) this.go();
  }

  forget() { this.next = null; this.number = 0; }

  async go() {
    this.busy = true;
    while (this.next) {
      const { path, body, done, failed } = this.next;
      this.next = null;
      const number = ++count; // over all channels: a view that is opened again has the same name
      this.number = number;
      Channel.stats.sent++;
      try {
        const made = typeof body === 'function' ? await body()
          : await ask(path, { ...body, channel: this.name, number });
        if (made !== null && number === this.number) done(made);
      } catch (error) {
        if (error instanceof Lost && !this.next && number === this.number) {
          this.next = { path, body, done, failed }; // asked again once the server is back
          await new Promise((resolve) => setTimeout(resolve, 1000));
        } else if (error instanceof Refused || error instanceof Lost) {
          if (number === this.number && !this.next) failed(error);
        } else {
          this.busy = false;
          throw error;
        }
      }
    }
    this.busy = false;
  }
}
