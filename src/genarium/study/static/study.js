// The participant's page. The server says what is next and stores each answer; the page shows it,
// measures times, and goes on only when an answer is acknowledged. It never knows the truth.

const $ = (id) => document.getElementById(id);
const canvas = $("canvas");
const context = canvas.getContext("2d", { alpha: false });

const SIDE = 256; // small pictures are enlarged in whole steps up to about this, in CSS pixels
const FIXATION_MS = 500;
const MASK_MS = 300;

let study; // what the server says about the study
let token; // this participant
let state; // where the participant is
let stage = "idle"; // idle, watching, answering, saving, feedback
let onset = 0; // when the picture appeared, on the clock of performance.now()
let seen = null; // for how long it was shown, in the timed mode
let judged = null; // the picture of this trial
let showing = 0; // number of the latest call of show(): an older one gives up

// ------------------------------------------------------------------ talking to the server

class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  };
  const reply = await fetch(path, { cache: "no-store", ...options });
  if (!reply.ok) throw new Refused(reply.status, await reply.text());
  return reply.json();
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Tries until the server answers: sending an answer twice is harmless, losing one is not.
async function insist(path, body) {
  for (let wait = 500; ; wait = Math.min(2 * wait, 8000)) {
    try {
      const reply = await ask(path, body);
      $("status").textContent = "";
      return reply;
    } catch (error) {
      if (error instanceof Refused && error.status < 500) throw error;
      $("status").textContent = body === undefined
        ? "The study does not answer. Trying again …"
        : "Your answer is not stored yet. Trying again …";
      await pause(wait);
    }
  }
}

const bitmaps = new Map();

// A decoded picture, loaded once; drawing it takes no time that would count as exposure.
function bitmap(name) {
  if (!bitmaps.has(name)) {
    const load = async () => {
      for (let wait = 500; ; wait = Math.min(2 * wait, 8000)) {
        try {
          const reply = await fetch(`/pictures/${name}`);
          if (!reply.ok) throw new Refused(reply.status, name);
          const found = await createImageBitmap(await reply.blob());
          $("status").textContent = "";
          return found;
        } catch {
          $("status").textContent = "The picture does not load. Trying again …";
          await pause(wait);
        }
      }
    };
    bitmaps.set(name, load());
  }
  return bitmaps.get(name);
}

// ------------------------------------------------------------------ screens

function showScreen(name, focus) {
  for (const each of document.querySelectorAll("main > section")) each.hidden = each.id !== name;
  if (focus) focus.focus();
}

function problem(text) {
  stage = "idle";
  $("problem-text").textContent = text;
  showScreen("problem", $("problem").querySelector("h1"));
}

function rest(title, text, button = "Go on") {
  stage = "idle";
  showing += 1;
  $("rest-title").textContent = title;
  $("rest-text").textContent = text;
  $("link").textContent = location.href;
  $("ready").firstChild.textContent = `${button} `;
  showScreen("rest", $("rest-title"));
}

const several = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;

function welcome() {
  const screen = $("welcome");
  screen.querySelector("[data-title]").textContent = study.title;
  screen.querySelector("[data-pictures]").textContent = several(study.pictures, "picture");
  const practice = study.practice
    ? `First comes a practice round of ${several(study.practice, "picture")} that tells you the truth ` +
      "after each answer. After that you will not be told."
    : "You will not be told whether you were right.";
  const checks = study.checks
    ? ` ${several(study.checks, "card")} among the pictures will ask you in words for one of the keys.`
    : "";
  screen.querySelector("[data-practice]").textContent = practice + checks;
  screen.querySelector("[data-timed]").hidden = study.mode !== "timed";
  screen.querySelector("[data-untimed]").hidden = study.mode === "timed";
  const earlier = remembered();
  $("again").hidden = !earlier;
  $("again").onclick = () => location.assign(`/p/${earlier}`);
  $("start").onclick = start;
  showScreen("welcome", screen.querySelector("h1"));
}

const KEY = () => `genarium-study-${location.host}-${study.id}`;

function remembered() {
  try {
    return localStorage.getItem(KEY());
  } catch {
    return null; // storage is switched off: the link still works
  }
}

function remember(value) {
  try {
    if (value) localStorage.setItem(KEY(), value);
    else localStorage.removeItem(KEY());
  } catch { /* the link still works */ }
}

async function start() {
  if ($("start").disabled) return;
  $("start").disabled = true;
  try {
    token = (await insist("/api/participants", {})).token;
    remember(token);
    history.replaceState(null, "", `/p/${token}`);
    state = await insist(`/api/participants/${token}`);
    announce();
  } catch (error) {
    problem(`The study could not start (${error.message}).`);
  }
}

// What comes before the next picture when one comes back or a part begins.
function announce(back = false) {
  prefetch();
  const left = state.total - state.position;
  if (!left) return end();
  if (state.position < state.practice) {
    const todo = several(state.practice - state.position, "picture");
    return rest(back ? "Welcome back" : "Practice",
      `${todo} to practise with. After each answer you are told the truth.`,
      back ? "Go on" : "Begin");
  }
  if (state.position === state.practice) {
    return rest(state.practice ? "Practice is over" : "Ready?",
      `Now ${several(study.pictures, "picture")}. You are not told any more whether you were right.`,
      "Begin");
  }
  rest(back ? "Welcome back" : "Pause", `${left} to go. Your answers so far are stored.`);
}

function end() {
  remember(null);
  showScreen("end", $("end").querySelector("h1"));
}

function prefetch() {
  for (const name of [...bitmaps.keys()]) {
    if (!state.ahead.includes(name) && !study.masks.includes(name)) bitmaps.delete(name);
  }
  for (const name of [...state.ahead, ...study.masks]) bitmap(name);
}

// ------------------------------------------------------------------ one trial

function fit() {
  // Whole steps of enlargement: every pixel as large as every other one.
  const width = Math.min($("stage").clientWidth - 32, innerWidth - 64);
  const height = innerHeight * 0.5;
  const most = Math.min(width / study.width, height / study.height);
  const wanted = Math.max(1, Math.floor(SIDE / Math.max(study.width, study.height)));
  const factor = most >= 1 ? Math.min(wanted, Math.floor(most)) : most;
  canvas.style.width = `${study.width * factor}px`;
  canvas.style.height = `${study.height * factor}px`;
  canvas.classList.toggle("pixelated", study.scaling === "pixelated" && factor >= 1);
}

function grey() {
  context.fillStyle = "#808080";
  context.fillRect(0, 0, canvas.width, canvas.height);
}

const frame = () => new Promise(requestAnimationFrame);

function choices(open) {
  for (const name of ["fake", "real"]) {
    // not `disabled`: that would throw the keyboard's focus away
    $(name).setAttribute("aria-disabled", String(!open));
    $(name).classList.remove("given");
  }
}

function setQuestion(text) {
  $("question").className = "question";
  $("question").textContent = text;
}

async function show() {
  const mine = ++showing;
  const trial = state.trial;
  if (!trial) return end();
  stage = "watching";
  seen = null;
  const part = state.position < state.practice;
  const first = part ? 0 : state.practice;
  const total = (part ? state.practice : state.total) - first;
  $("stage-name").textContent = part ? "Practice" : "Pictures";
  $("bar").max = total;
  $("bar").value = state.position - first;
  $("count").textContent = `${state.position - first + 1} of ${total}`;
  $("choices").hidden = false;
  $("onward").hidden = true;
  choices(false);
  showScreen("trial");
  $("fixation").hidden = true;
  canvas.hidden = trial.kind === "check";
  $("check").hidden = trial.kind !== "check";
  prefetch();
  if (trial.kind === "check") {
    $("check-text").textContent = trial.asked === "real" ? "Answer “real” (J)" : "Answer “fake” (F)";
    setQuestion("Answer as the card says");
    onset = performance.now();
    return open();
  }
  setQuestion(trial.exposure_ms === null ? "Real or fake?" : "Watch");
  const picture = await bitmap(trial.picture);
  if (mine !== showing) return;
  judged = picture;
  if (canvas.width !== study.width || canvas.height !== study.height) {
    canvas.width = study.width;
    canvas.height = study.height;
  }
  fit();
  if (trial.exposure_ms === null) {
    onset = await frame();
    if (mine !== showing) return;
    context.drawImage(picture, 0, 0);
    return open();
  }
  await flash(mine, picture, trial.exposure_ms);
}

// Fixation, the picture for `exposure` ms in whole frames of the screen, the mask, grey.
async function flash(mine, picture, exposure) {
  const mask = await bitmap(study.masks[state.position % study.masks.length]);
  grey();
  $("fixation").hidden = false;
  const begun = await frame();
  let now = begun, length = Infinity;
  while (now - begun < FIXATION_MS) {
    const last = now;
    now = await frame();
    length = Math.min(length, Math.max(4, now - last));
    if (mine !== showing) return;
  }
  onset = now;
  $("fixation").hidden = true;
  context.drawImage(picture, 0, 0);
  while (now - onset < exposure - length / 2) {
    now = await frame();
    if (mine !== showing) return; // left the page meanwhile: it is shown again from the start
  }
  context.drawImage(mask, 0, 0);
  seen = now - onset;
  setQuestion("Real or fake?");
  open();
  const masking = () => mine === showing && stage !== "feedback";
  while (now - onset - seen < MASK_MS && masking()) now = await frame();
  if (masking()) grey();
}

function open() {
  stage = "answering";
  choices(true);
}

async function give(answer, at) {
  if (stage !== "answering") return;
  stage = "saving";
  const position = state.position;
  choices(false);
  $(answer).classList.add("given");
  const body = { position, answer, response_ms: Math.max(0, at - onset), shown_ms: seen };
  try {
    const reply = await insist(`/api/participants/${token}/answers`, body);
    const kind = state.trial.kind;
    state = reply;
    prefetch();
    if (kind === "practice" && reply.feedback && !reply.repeated) return feedback(reply.feedback);
    proceed();
  } catch (error) {
    if (error.status === 409) { // another window of this participant was faster or slower
      state = await insist(`/api/participants/${token}`);
      return announce(true);
    }
    problem(`Your answer could not be stored (${error.message}).`);
  }
}

function feedback({ right, truth }) {
  stage = "feedback";
  const what = truth === "real" ? "it is real" : "a model made it";
  $("question").className = `question ${right ? "right" : "wrong"}`;
  $("question").textContent = right ? `Right: ${what}.` : `No: ${what}.`;
  context.drawImage(judged, 0, 0); // to look at again beside the truth
  $("choices").hidden = true;
  $("onward").hidden = false;
  $("question").focus();
}

function proceed() {
  if (state.position === state.practice && state.practice) return announce();
  show();
}

// ------------------------------------------------------------------ keys, touch, leaving

function onward() {
  if (stage === "feedback") proceed();
  else if (!$("rest").hidden && stage === "idle") show();
}

const KEYS = { f: "fake", arrowleft: "fake", j: "real", arrowright: "real" };
const CODES = { KeyF: "fake", KeyJ: "real" }; // where the keyboard writes no Latin letters

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const latin = /^[a-z]$/i.test(event.key) || event.key.length > 1;
  const answer = latin ? KEYS[event.key.toLowerCase()] : CODES[event.code];
  if (answer && !$("trial").hidden) {
    event.preventDefault();
    if (!event.repeat) give(answer, event.timeStamp);
  } else if (event.key === " " || event.key === "Enter") {
    if (event.target instanceof HTMLButtonElement) return; // the button does it
    if ($("trial").hidden && $("rest").hidden) return;
    event.preventDefault();
    if (!event.repeat) onward();
  }
});

for (const name of ["fake", "real"]) {
  $(name).addEventListener("click", (event) => give(name, event.timeStamp));
}
$("next").addEventListener("click", onward);
$("ready").addEventListener("click", onward);
addEventListener("resize", () => study && fit());
document.addEventListener("visibilitychange", () => {
  // A hidden page draws no frames: a picture that was begun is shown again from the start.
  if (document.hidden && stage === "watching" && state?.trial?.exposure_ms != null) {
    rest("Pause", "You left the page. The picture will be shown again.");
  }
});

// ------------------------------------------------------------------ begin

async function main() {
  study = await insist("/api/study");
  document.title = study.title;
  const match = location.pathname.match(/^\/p\/([\w-]+)$/);
  if (!match) return welcome();
  token = match[1];
  try {
    state = await insist(`/api/participants/${token}`);
  } catch {
    remember(null);
    return problem("This link belongs to no participant of this study. Ask for a new one.");
  }
  remember(token);
  announce(state.position > 0);
}

main().catch((error) => problem(`The study does not load (${error.message}).`));
