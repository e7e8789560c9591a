"use strict";
(() => {
const $ = id => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const UNKNOWN = "Unknown";
const CLICK_PX = 5, TITLE_PX = 13, RULER_PX = 26, ROW_PX = 48;
// Fingers need more room.
const LANE_PX = matchMedia("(any-pointer: coarse)").matches ? 40 : 34;
// Browsers round times to microseconds.
const SLACK_S = 1e-5;
const INK = "#1c2330", SOFT = "#5a6475";
// Of Okabe and Ito, "Color universal design" (2008), but for the yellow, which white swallows.
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#666666"];
const PATTERNS = 4;

// ---- Time: frames count from 0; a stroke is [begin, end) ----

const [unitTop, unitBottom] = data.clock.base;
const ticks = (() => {
  const runs = data.clock.runs;
  let count = 0;
  for (let i = 1; i < runs.length; i += 2) count += runs[i];
  const found = new Float64Array(count + 1);
  found[0] = data.clock.first;
  for (let i = 0, at = 0; i < runs.length; i += 2)
    for (let n = 0; n < runs[i + 1]; n++, at++) found[at + 1] = found[at] + runs[i];
  return found;
})();
const frames = ticks.length - 1;
const timeOf = frame => ticks[frame] * unitTop / unitBottom;
const duration = timeOf(frames);
const startOfAll = Math.min(0, timeOf(0));

/** How many of an ascending list are before or at a value, by a function of the place. */
function countUpTo(length, isBeyond) {
  let low = 0, high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBeyond(middle)) high = middle; else low = middle + 1;
  }
  return low;
}
const clamp = (value, low, high) => Math.max(low, Math.min(high, value));
/** The frame that is shown at a time. */
const shownAt = seconds => clamp(countUpTo(frames, f => timeOf(f) > seconds + SLACK_S) - 1, 0, frames - 1);
/** The boundary between frames that is nearest to a time, 0 to `frames`. */
function boundaryAt(seconds) {
  const after = clamp(countUpTo(frames + 1, f => timeOf(f) > seconds), 1, frames);
  return timeOf(after) - seconds <= seconds - timeOf(after - 1) ? after : after - 1;
}
/** Whole milliseconds when a frame begins, halves up, without the errors of floating point. */
function millisecondsOf(frame) {
  const top = 2n * 1000n * BigInt(ticks[frame]) * BigInt(unitTop) + BigInt(unitBottom);
  const bottom = 2n * BigInt(unitBottom);
  return Number(top >= 0n ? top / bottom : -((bottom - 1n - top) / bottom));
}
/** Whether that frame is the one which begins nearest to a time in milliseconds. */
function comesBack(frame, milliseconds) {
  const distance = other => {
    const gap = BigInt(milliseconds) * BigInt(unitBottom) - 1000n * BigInt(ticks[other]) * BigInt(unitTop);
    return gap < 0n ? -gap : gap;
  };
  return (frame === 0 || distance(frame) <= distance(frame - 1)) &&
    (frame === frames || distance(frame) < distance(frame + 1));
}
function clockText(seconds, decimals = 3) {
  const unit = 10 ** decimals, all = Math.round(Math.max(0, seconds) * unit);
  const whole = Math.floor(all / unit), two = n => String(n).padStart(2, "0");
  const minutes = Math.floor(whole / 60) % 60, hours = Math.floor(whole / 3600);
  const rest = decimals ? "." + String(all % unit).padStart(decimals, "0") : "";
  return (hours ? `${hours}:${two(minutes)}` : `${minutes}`) + `:${two(whole % 60)}${rest}`;
}
const timeText = frame => clockText(timeOf(frame));

// ---- Strokes ----

/** Names and regions of players whom regions tell apart; strokes hold their numbers. */
const players = (data.players ?? []).map(([name, ...region]) => ({ name, region }));
const playerOf = s => players[s.player]?.name ?? "";
const marked = data.annotations.map(([begin, end, label, who, player = 0], number) =>
  ({ kind: "marked", id: `marked ${number}`, begin, end, label, who, sure: null, number, player }));
const found = data.detections.map(([begin, end, label, sure, player = 0], number) =>
  ({ kind: "found", id: `found ${number}`, begin, end, label, who: "", sure, number, player }));
const base = found.length ? found : marked;
const classes = new Map(data.classes.map(([name, hand, type], number) => [name, { hand, type, number }]));
function learn(label) {
  if (!classes.has(label)) classes.set(label, { hand: "", type: "", number: classes.size });
}
for (const item of [...marked, ...found]) learn(item.label);
learn(UNKNOWN);
const hands = [...new Set(data.classes.map(row => row[1]))].filter(Boolean);
const types = [...new Set(data.classes.map(row => row[2]))].filter(Boolean);
const nameOf = label => label === UNKNOWN ? "not known which" : label;

/** Colour and pattern: type and hand where the names tell them, so that like looks alike. */
function look(label) {
  const { hand, type, number } = classes.get(label);
  if (label === UNKNOWN) return { colour: COLOURS.at(-1), pattern: 2 };
  const kinds = COLOURS.length - 1;
  return {
    colour: COLOURS[type ? types.indexOf(type) % kinds : number % kinds],
    pattern: hand ? hands.indexOf(hand) % PATTERNS : Math.floor(number / kinds) % PATTERNS,
  };
}
function pale(colour, share = 0.3) {
  const parts = [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16));
  return `rgb(${parts.map(part => Math.round(255 - share * (255 - part))).join(",")})`;
}

/** Corrected strokes by id; none is ever changed in place, so that steps can be taken back. */
let items = new Map();
let ordered = [];
let byNumber = new Map();
let nextId = 1;
const stroke = (begin, end, label, number, checked, player = 0) =>
  ({ kind: "corrected", id: nextId++, begin, end, label, number, checked, player });
const fresh = () => new Map(base.map(b => stroke(b.begin, b.end, b.label, b.number, false, b.player)).map(s => [s.id, s]));
const compare = (a, b) => a.begin - b.begin || a.end - b.end || (a.label < b.label ? -1 : a.label > b.label ? 1 : 0) ||
  a.player - b.player || (a.id < b.id ? -1 : 1);
const isAsFound = s => {
  const b = base[s.number];
  return b && b.begin === s.begin && b.end === s.end && b.label === s.label && b.player === s.player;
};
// What comes from a table or another page may differ from what was found, though nobody looked at it.
const stateOf = s => !s.checked ? "unchecked" : s.number < 0 ? "added" : isAsFound(s) ? "right" : "changed";
const STATES = { added: "+ added", changed: "✎ changed", right: "✓ right", unchecked: "not checked" };
const GLYPHS = { added: "+ ", changed: "✎ ", right: "✓ ", unchecked: "" };
const sureOf = s => s.kind === "corrected" ? base[s.number]?.sure ?? null : s.sure;

function order() {
  ordered = [...items.values()].sort(compare);
  byNumber = new Map(ordered.map(s => [s.number, s]));
}

// ---- Steps that can be taken back ----

let done = [], undone = [];
/** Take pairs of [before, after] as one step; null stands for no stroke. */
function change(pairs, text, then = null) {
  apply(pairs);
  done.push({ pairs, text });
  undone = [];
  if (then !== null) selected = then;
  afterChange(text);
}
function apply(pairs) {
  for (const [before, after] of pairs) {
    if (before) items.delete(before.id);
    if (after) { items.set(after.id, after); learn(after.label); }
  }
  order();
}
function takeBack() {
  const step = done.pop();
  if (!step) return say("Nothing to undo.");
  apply(step.pairs.map(([before, after]) => [after, before]));
  undone.push(step);
  afterStep(step, 0, `Undone: ${step.text}`);
}
function takeAgain() {
  const step = undone.pop();
  if (!step) return say("Nothing to redo.");
  apply(step.pairs);
  done.push(step);
  afterStep(step, 1, `Done again: ${step.text}`);
}
function afterStep(step, side, text) {
  if (step.pairs.length === 1) selected = step.pairs[0][side]?.id ?? null;
  afterChange(text);
}
function afterChange(text) {
  if (typeof selected === "number" && !items.has(selected)) selected = null;
  isSaved = false;
  store();
  refresh(true);
  say(text);
}
const edited = (s, changes) => ({ ...s, checked: true, ...changes });

// ---- Kept in the browser ----

const KEYS = `twinstroke viewer: ${data.name} `, KEY = KEYS + data.digest;
/** So many versions of a page are kept, this one among them. */
const VERSIONS = 5;
let canStore = true, isSaved = true, annotator = "", earlier = null;

const whole = value => Number.isInteger(value);
function isStroke(row) {
  return Array.isArray(row) && whole(row[0]) && whole(row[1]) && 0 <= row[0] && row[0] < row[1] && row[1] <= frames &&
    typeof row[2] === "string" && whole(row[3]) && -1 <= row[3] && typeof row[4] === "boolean" &&
    (players.length ? whole(row[5]) && 0 <= row[5] && row[5] < players.length : row.length === 5);
}
// Any page of this computer may have written it.
const isKept = kept => kept && Array.isArray(kept.strokes) && kept.strokes.every(isStroke) && typeof kept.annotator === "string";
/** What is kept for other strokes found in this video (of its name, with its frames): corrected ones first, the newest first. */
function others() {
  const versions = [];
  for (const key of Object.keys(localStorage)) {
    if (key === KEY || !key.startsWith(KEYS) || !/^[0-9a-f]{16}$/.test(key.slice(KEYS.length))) continue;
    let kept = null;
    try { kept = JSON.parse(localStorage.getItem(key)); } catch { continue; }
    if (!isKept(kept) || kept.timing !== data.timing || typeof kept.corrected !== "boolean") continue;
    // A date has an end.
    if (whole(kept.at) && 0 <= kept.at && kept.at <= 8.64e15) versions.push({ ...kept, key });
  }
  return versions.sort((a, b) => b.corrected - a.corrected || b.at - a.at);
}
function recall() {
  items = fresh();
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "null");
    localStorage.setItem(`${KEY} try`, "1");
    localStorage.removeItem(`${KEY} try`);
    let isOwn = false;
    if (isKept(kept) && kept.strokes.every(row => row[3] < base.length)) {
      items = new Map(kept.strokes.map(row => stroke(...row)).map(s => [s.id, s]));
      annotator = kept.annotator.slice(0, 100);
      isSaved = false;
      for (const s of items.values()) learn(s.label);
      isOwn = kept.corrected !== false;
    }
    const [newest] = isOwn ? [] : others();
    if (newest?.corrected) earlier = newest;
  } catch {
    canStore = false;
  }
  order();
}
function store() {
  if (canStore) {
    try {
      const strokes = ordered.map(s => [s.begin, s.end, s.label, s.number, s.checked, ...players.length ? [s.player] : []]);
      const corrected = ordered.length !== base.length || ordered.some(s => s.checked || !isAsFound(s));
      if (localStorage.getItem(KEY) === null)
        for (const { key } of others().slice(VERSIONS - 1)) localStorage.removeItem(key);
      localStorage.setItem(KEY, JSON.stringify({ strokes, annotator, timing: data.timing, at: Date.now(), corrected }));
    } catch {
      canStore = false;
    }
  }
  tellKept();
}
function tellKept() {
  const notice = $("store-notice");
  notice.hidden = canStore;
  if (!canStore) notice.textContent =
    "This browser keeps nothing for this page: your corrections last until you close it, so save them before.";
  $("kept").textContent = canStore
    ? "Corrections stay in this browser when you close the page. Save them to pass them on."
    : "Corrections last until you close the page. Save them before.";
}
function tellEarlier() {
  $("earlier").hidden = !earlier;
  if (!earlier) return;
  const when = new Date(earlier.at).toLocaleString([], { dateStyle: "long", timeStyle: "short" });
  $("earlier-text").textContent = `Your corrections of this video, last changed on ${when}, belong to another version of this page and are not shown here.`;
}
function bringBack() {
  const rows = earlier.strokes.map(([begin, end, label, , checked, player = 0]) => ({ begin, end, label, checked, player, number: -1 }));
  if (!annotator) $("annotator").value = annotator = earlier.annotator.slice(0, 100);
  replaceAll(rows, `Brought back ${rows.length} strokes as you left them; Undo brings the others back.`);
  leaveEarlier();
}
function notNow() {
  leaveEarlier();
  say("They stay in this browser; reload this page to be asked again.");
}
function leaveEarlier() {
  earlier = null;
  tellEarlier();
  lanesBox.focus({ preventScroll: true });
}
addEventListener("beforeunload", event => {
  if (!canStore && !isSaved && done.length) event.preventDefault();
});
addEventListener("storage", event => {
  if (event.key !== KEY) return;
  const notice = $("store-notice");
  notice.hidden = false;
  notice.textContent = "These strokes were changed in another window: reload this page before you go on, or close one of them.";
});

// ---- What is shown ----

const filter = { classes: new Set(), hand: "", type: "", state: "", sure: 0 };
function passesKind(item) {
  const own = classes.get(item.label);
  if (filter.hand && own.hand !== filter.hand) return false;
  if (filter.type && own.type !== filter.type) return false;
  const sure = sureOf(item);
  if (sure !== null && sure * 100 < filter.sure) return false;
  if (!filter.state || item.kind !== "corrected" && base[0]?.kind !== item.kind) return true;
  const corrected = item.kind === "corrected" ? item : byNumber.get(item.number);
  if (!corrected) return false;
  const state = stateOf(corrected);
  return filter.state === "changed" ? state === "changed" || state === "added" : state === filter.state;
}
const passes = item => (!filter.classes.size || filter.classes.has(item.label)) && passesKind(item);

let selected = null, shown = [], lanes = [];
const all = { marked, found };
function chosen() {
  if (selected === null) return null;
  if (typeof selected === "number") return items.get(selected) ?? null;
  const [kind, number] = selected.split(" ");
  return all[kind][number];
}

/** One row of the timeline; `furthest[i]` is the last end of the strokes up to i. */
function lane(title, members) {
  let last = 0;
  return { title, members, furthest: members.map(s => last = Math.max(last, s.end)) };
}
/** A row for each player; one row where nobody tells them apart. */
const eachPlayer = (title, members) => players.length
  ? players.map(({ name }, number) => lane(name ? `${title}: ${name}` : title, members.filter(s => s.player === number)))
  : [lane(title, members)];
const firstVisible = (row, frame) => countUpTo(row.members.length, i => row.furthest[i] > frame);

function arrange() {
  shown = ordered.filter(passes);
  lanes = [];
  if (marked.length) lanes.push(...eachPlayer("Marked by hand", marked.filter(passes)));
  if (found.length) lanes.push(...eachPlayer("Found by the network", found.filter(passes)));
  correctedLane = lanes.length;
  lanes.push(...eachPlayer("Corrected", shown));
  const by = $("rows").value;
  const kind = { hand: s => classes.get(s.label).hand, type: s => classes.get(s.label).type, class: s => s.label }[by];
  if (!kind) return;
  const groups = by === "hand" ? hands : by === "type" ? types : [...classes.keys()];
  const own = new Map(groups.map(name => [name, []]));
  for (const s of shown) own.get(kind(s))?.push(s);
  for (const [name, members] of own) if (by !== "class" || members.length) lanes.push(lane(nameOf(name), members));
}
let correctedLane = 0;
/** Rows of corrected strokes: one for each player. */
const correctedLanes = Math.max(1, players.length);
const isCorrectedLane = number => correctedLane <= number && number < correctedLane + correctedLanes;

function refresh(mayScroll = false) {
  arrange();
  sizeLanes();
  drawOverview();
  invalidate();
  fillEditor();
  fillCounts();
  fillList(mayScroll);
  const checked = ordered.filter(s => stateOf(s) !== "unchecked").length;
  const deleted = base.filter(b => !byNumber.has(b.number)).length;
  $("progress").textContent = `${checked} of ${ordered.length} checked` + (deleted ? `, ${deleted} deleted` : "");
  $("undo").disabled = !done.length;
  $("redo").disabled = !undone.length;
}
function say(text) {
  const node = $("said");
  // The same words twice are told twice only if the text changes.
  node.textContent = node.textContent === text ? text + "\u00a0" : text;
}

// ---- Timeline ----

const lanesBox = $("lanes"), canvas = lanesBox.querySelector("canvas"), pen = canvas.getContext("2d");
const overviewBox = $("overview"), overview = overviewBox.querySelector("canvas"), thinPen = overview.getContext("2d");
const span = () => view.end - view.begin;
const view = { begin: startOfAll, end: Math.min(duration, startOfAll + 30) };
const shortest = Math.min(duration - startOfAll, Math.max(0.05, 12 * (duration - timeOf(0)) / frames));
let width = 1, isStale = false, draws = 0;

const xOf = seconds => (seconds - view.begin) / span() * width;
const secondsAt = x => view.begin + x / width * span();
const clampSpan = length => clamp(length, shortest, duration - startOfAll);
function lookAt(begin, length) {
  length = clampSpan(length);
  view.begin = clamp(begin, startOfAll, duration - length);
  view.end = view.begin + length;
  invalidate();
}
function zoom(factor, x = null) {
  const head = xOf(timeOf(now));
  x ??= head >= 0 && head <= width ? head : width / 2;
  const still = secondsAt(x), length = clampSpan(span() * factor);
  lookAt(still - x / width * length, length);
}
function bringIntoView(item) {
  const begin = timeOf(item.begin), end = timeOf(item.end);
  if (begin >= view.begin && end <= view.end) return;
  lookAt(end - begin > span() ? begin - span() * 0.05 : (begin + end - span()) / 2, span());
}
function zoomToStroke() {
  const item = chosen();
  if (!item) return say("Choose a stroke first.");
  const length = timeOf(item.end) - timeOf(item.begin);
  lookAt(timeOf(item.begin) - length, 3 * length);
}

function fit(canvas, pen, wide, high) {
  const ratio = devicePixelRatio || 1;
  if (canvas.width !== Math.round(wide * ratio) || canvas.height !== Math.round(high * ratio)) {
    canvas.width = Math.round(wide * ratio);
    canvas.height = Math.round(high * ratio);
    patterns.clear();
  }
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, wide, high);
}
function sizeLanes() {
  const high = `${RULER_PX + lanes.length * LANE_PX + 4}px`;
  if (lanesBox.style.height !== high) lanesBox.style.height = high;
}
function invalidate() {
  if (isStale) return;
  isStale = true;
  requestAnimationFrame(() => { isStale = false; draw(); });
}

const patterns = new Map();
function patternOf(colour, number) {
  const key = colour + number;
  if (!patterns.has(key)) {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 8;
    const own = tile.getContext("2d");
    own.strokeStyle = own.fillStyle = colour;
    own.lineWidth = 1.5;
    own.globalAlpha = 0.55;
    own.beginPath();
    if (number === 1) for (const shift of [-8, 0, 8]) { own.moveTo(shift, 8); own.lineTo(shift + 8, 0); }
    if (number === 3) { own.moveTo(0, 4); own.lineTo(8, 4); }
    own.stroke();
    if (number === 2) { own.beginPath(); own.arc(4, 4, 1.8, 0, 7); own.fill(); }
    patterns.set(key, pen.createPattern(tile, "repeat"));
  }
  return patterns.get(key);
}

function drawRuler() {
  const steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
  const step = steps.find(s => s / span() * width >= 78) ?? 7200;
  pen.fillStyle = "#f3f5f8";
  pen.fillRect(0, 0, width, RULER_PX);
  pen.fillStyle = SOFT;
  pen.strokeStyle = "#d5dae2";
  pen.lineWidth = 1;
  pen.beginPath();
  for (let n = Math.max(0, Math.floor(view.begin / step)); n * step <= view.end; n++) {
    const x = Math.round(xOf(n * step)) + 0.5;
    pen.moveTo(x, 0);
    pen.lineTo(x, RULER_PX + lanes.length * LANE_PX);
    pen.fillText(clockText(n * step, step >= 1 ? 0 : step >= 0.1 ? 1 : 2), x + 4, 17);
  }
  pen.stroke();
}
function drawBox(item, x0, x1, y, isCorrected) {
  const { colour, pattern } = look(item.label);
  const wide = Math.max(1.5, x1 - x0), top = y + TITLE_PX, high = LANE_PX - TITLE_PX - 3;
  const state = isCorrected ? stateOf(item) : "";
  // One that nobody looked at is paler.
  pen.fillStyle = wide < 4 ? colour : pale(colour, state === "unchecked" ? 0.16 : 0.34);
  pen.fillRect(x0, top, wide, high);
  if (wide >= 4) {
    if (pattern) { pen.fillStyle = patternOf(colour, pattern); pen.fillRect(x0, top, wide, high); }
    pen.fillStyle = colour;
    pen.fillRect(x0, top, Math.min(3, wide / 3), high);
    pen.strokeStyle = colour;
    pen.lineWidth = 1;
    pen.strokeRect(x0 + 0.5, top + 0.5, wide - 1, high - 1);
  }
  if (isCorrected && state !== "unchecked") { pen.fillStyle = INK; pen.fillRect(x0, top + high - 3, wide, 3); }
  if (item.id === selected) {
    pen.strokeStyle = INK;
    pen.lineWidth = 3;
    pen.strokeRect(x0 - 0.5, top - 0.5, wide + 1, high + 1);
  }
  const left = Math.max(x0 + 6, 3), room = Math.min(x1, width) - left - 3;
  if (room < 24) return;
  pen.save();
  pen.beginPath();
  pen.rect(left, top, room, high);
  pen.clip();
  const text = (GLYPHS[state] ?? "") + nameOf(item.label);
  pen.lineWidth = 3;
  pen.strokeStyle = "#ffffffd0";
  pen.strokeText(text, left, top + 16);
  pen.fillStyle = INK;
  pen.fillText(text, left, top + 16);
  pen.restore();
}
function draw() {
  width = Math.max(1, lanesBox.clientWidth);
  fit(canvas, pen, width, lanesBox.clientHeight);
  pen.font = "12px system-ui, sans-serif";
  drawRuler();
  const from = shownAt(view.begin), to = boundaryAt(view.end);
  let drawn = 0, looked = 0;
  lanes.forEach((row, number) => {
    const y = RULER_PX + number * LANE_PX;
    if (number >= correctedLane) { pen.fillStyle = isCorrectedLane(number) ? "#0072b20c" : "#00000005"; pen.fillRect(0, y, width, LANE_PX); }
    let column = -1, later = null;
    for (let i = firstVisible(row, from); i < row.members.length && row.members[i].begin < to; i++) {
      const item = preview?.id === row.members[i].id ? preview : row.members[i];
      looked++;
      if (item.end <= from) continue;
      const x0 = xOf(timeOf(item.begin)), x1 = xOf(timeOf(item.end));
      if (item.id === selected) { later = [item, x0, x1]; continue; }
      // Strokes far below a pixel lie upon each other: one is drawn.
      if (x1 - x0 < 1 && Math.floor(x0) === column) continue;
      column = Math.floor(x0);
      drawBox(item, x0, x1, y, number >= correctedLane);
      drawn++;
    }
    if (later) { drawBox(...later, y, number >= correctedLane); drawn++; }
    pen.fillStyle = isCorrectedLane(number) ? INK : SOFT;
    pen.font = `${isCorrectedLane(number) ? "600 " : ""}11px system-ui, sans-serif`;
    pen.fillText(row.title, 4, y + 10);
    pen.font = "12px system-ui, sans-serif";
    pen.fillStyle = "#d5dae2";
    pen.fillRect(0, y + LANE_PX - 1, width, 1);
  });
  // How much work the drawing was; nobody sees it, the tests count it.
  Object.assign(canvas.dataset, { draws: ++draws, drawn, looked });
  placeHandles();
  placeHead();
  const wide = overviewBox.clientWidth, whole = duration - startOfAll, pane = $("window").style;
  pane.width = `${Math.max(6, span() / whole * wide)}px`;
  pane.transform = `translateX(${(view.begin - startOfAll) / whole * wide}px)`;
}
function drawOverview() {
  const wide = overviewBox.clientWidth, high = overviewBox.clientHeight, whole = duration - startOfAll;
  fit(overview, thinPen, wide, high);
  const count = correctedLane + correctedLanes, share = high / count, gap = Math.min(3, share / 5);
  lanes.slice(0, count).forEach((row, number) => {
    let column = -1;
    for (const item of row.members) {
      const x0 = (timeOf(item.begin) - startOfAll) / whole * wide, x1 = (timeOf(item.end) - startOfAll) / whole * wide;
      if (x1 < column + 1) continue;
      column = Math.floor(Math.max(x0, column));
      thinPen.fillStyle = look(item.label).colour;
      thinPen.fillRect(x0, number * share + gap, Math.max(1.5, x1 - x0), share - 2 * gap);
    }
  });
}
const head = lanesBox.querySelector(".playhead"), smallHead = overviewBox.querySelector(".playhead");
function placeHead() {
  const seconds = timeOf(now);
  const x = xOf(seconds);
  head.hidden = x < -2 || x > width + 2;
  head.style.transform = `translateX(${x}px)`;
  smallHead.style.transform =
    `translateX(${(seconds - startOfAll) / (duration - startOfAll) * overviewBox.clientWidth}px)`;
  if (pending !== null) {
    const style = $("pending").style, from = Math.min(pending, now), to = Math.max(pending, now) + 1;
    style.top = `${RULER_PX + (correctedLane + lastPlayer) * LANE_PX + TITLE_PX}px`;
    style.height = `${LANE_PX - TITLE_PX - 3}px`;
    style.width = `${Math.max(4, xOf(timeOf(to)) - xOf(timeOf(from)))}px`;
    style.transform = `translateX(${xOf(timeOf(from))}px)`;
  }
}
function placeHandles() {
  const item = preview ?? chosen();
  for (const edge of ["begin", "end"]) {
    const node = $(`handle-${edge}`);
    const x = item ? xOf(timeOf(item[edge])) : 0;
    node.hidden = item?.kind !== "corrected" || x < -1 || x > width + 1;
    if (node.hidden) continue;
    node.style.top = `${RULER_PX + (correctedLane + item.player) * LANE_PX}px`;
    node.style.transform = `translateX(${edge === "begin" ? x - node.offsetWidth : x}px)`;
    node.setAttribute("aria-valuemin", edge === "begin" ? 0 : item.begin + 1);
    node.setAttribute("aria-valuemax", edge === "begin" ? item.end - 1 : frames);
    node.setAttribute("aria-valuenow", item[edge]);
    node.setAttribute("aria-valuetext", `${timeText(item[edge])}, frame ${item[edge]}`);
  }
}

/** The stroke at a place of the timeline, or the nearest within some pixels. */
function strokeAt(x, y, slack) {
  const number = Math.floor((y - RULER_PX) / LANE_PX);
  const row = lanes[number];
  if (y < RULER_PX || !row) return null;
  const from = shownAt(secondsAt(x - slack)), to = boundaryAt(secondsAt(x + slack)) + 1;
  let best = null, least = slack + 1e-9;
  for (let i = firstVisible(row, from); i < row.members.length && row.members[i].begin < to; i++) {
    const item = row.members[i], x0 = xOf(timeOf(item.begin)), x1 = Math.max(x0 + 1.5, xOf(timeOf(item.end)));
    const away = Math.max(0, x0 - x, x - x1);
    // Of several at one place, the chosen one gives way, so that another click gets the next.
    if (away < least || away === least && best?.id === selected) { best = item; least = away; }
  }
  return best;
}

const fingers = new Map();
let dragged = null;
const placeIn = (box, event) => {
  const edge = box.getBoundingClientRect();
  return [event.clientX - edge.left - box.clientLeft, event.clientY - edge.top - box.clientTop];
};
lanesBox.addEventListener("pointerdown", event => {
  if (event.button || event.target.classList.contains("handle")) return;
  const [x, y] = placeIn(lanesBox, event);
  fingers.set(event.pointerId, x);
  lanesBox.setPointerCapture(event.pointerId);
  if (fingers.size === 1) dragged = { x, y, begin: view.begin, isFar: false, isRuler: y < RULER_PX };
  if (dragged.isRuler) { stop(); jump(shownAt(secondsAt(x))); }
});
lanesBox.addEventListener("pointermove", event => {
  if (!fingers.has(event.pointerId) || !dragged) return;
  const [x] = placeIn(lanesBox, event);
  if (fingers.size === 2) {
    const other = [...fingers].find(([id]) => id !== event.pointerId)[1], before = fingers.get(event.pointerId);
    // What lies under the fingers stays there.
    const length = span() * Math.max(10, Math.abs(before - other)) / Math.max(10, Math.abs(x - other));
    lookAt(secondsAt((before + other) / 2) - (x + other) / 2 / width * clampSpan(length), length);
    dragged.isFar = true;
  } else if (dragged.isRuler) {
    jump(shownAt(secondsAt(x)));
  } else if (dragged.isFar || Math.abs(x - dragged.x) > CLICK_PX) {
    dragged.isFar = true;
    lookAt(dragged.begin - (x - dragged.x) / width * span(), span());
  }
  fingers.set(event.pointerId, x);
});
function release(event) {
  if (!fingers.delete(event.pointerId) || !dragged) return;
  if (!dragged.isFar && !dragged.isRuler && event.type === "pointerup") {
    const item = strokeAt(dragged.x, dragged.y, event.pointerType === "mouse" ? 4 : 14);
    if (item) choose(correctedOf(item));
    else jump(shownAt(secondsAt(dragged.x)));
  }
  const left = [...fingers.values()];
  dragged = left.length ? { x: left[0], y: 0, begin: view.begin, isFar: true, isRuler: false } : null;
}
lanesBox.addEventListener("pointerup", release);
lanesBox.addEventListener("pointercancel", release);
lanesBox.addEventListener("wheel", event => {
  event.preventDefault();
  const [x] = placeIn(lanesBox, event), unit = event.deltaMode ? 30 : 1;
  if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))
    lookAt(view.begin + (event.deltaX || event.deltaY) * unit / width * span(), span());
  else zoom(Math.exp(clamp(event.deltaY * unit, -200, 200) * (event.ctrlKey ? 0.01 : 0.002)), x);
}, { passive: false });

function goOverview(event) {
  const [x] = placeIn(overviewBox, event);
  lookAt(startOfAll + x / overviewBox.clientWidth * (duration - startOfAll) - span() / 2, span());
  jump(shownAt(clamp(startOfAll + x / overviewBox.clientWidth * (duration - startOfAll), startOfAll, duration)));
}
overviewBox.addEventListener("pointerdown", event => { overviewBox.setPointerCapture(event.pointerId); goOverview(event); });
overviewBox.addEventListener("pointermove", event => { if (overviewBox.hasPointerCapture(event.pointerId)) goOverview(event); });

// ---- Moving boundaries ----

let preview = null;
const EDGE = { begin: "Begin", end: "End" };
/** A stroke with one boundary elsewhere, as far as the other one and the video allow. */
function moved(item, edge, frame) {
  return edge === "begin"
    ? edited(item, { begin: clamp(frame, 0, item.end - 1) })
    : edited(item, { end: clamp(frame, item.begin + 1, frames) });
}
function setEdge(edge, frame) {
  const item = chosen();
  if (item?.kind !== "corrected") return say("Choose a corrected stroke first.");
  const after = moved(item, edge, frame);
  if (after[edge] === item[edge]) return say(frame === item[edge] ? `${EDGE[edge]} is there already.` : "It cannot go further.");
  change([[item, after]], `${EDGE[edge]} moved to ${timeText(after[edge])}, frame ${after[edge]}.`);
}
/** The frame that shows a boundary: the first one of the stroke, or the last one. */
const frameAt = (item, edge) => edge === "begin" ? item.begin : item.end - 1;
function nudge(edge, by) {
  const item = chosen();
  if (item?.kind !== "corrected") return say("Choose a corrected stroke first.");
  setEdge(edge, item[edge] + by);
  stop();
  jump(frameAt(chosen(), edge));
}
for (const edge of ["begin", "end"]) {
  const node = $(`handle-${edge}`);
  let from = null;
  node.addEventListener("pointerdown", event => {
    const item = chosen();
    if (event.button || !item) return;
    event.preventDefault();
    node.focus({ preventScroll: true });
    node.setPointerCapture(event.pointerId);
    stop();
    from = { item, shift: placeIn(lanesBox, event)[0] - xOf(timeOf(item[edge])) };
  });
  node.addEventListener("pointermove", event => {
    if (!from) return;
    const after = moved(from.item, edge, boundaryAt(secondsAt(placeIn(lanesBox, event)[0] - from.shift)));
    if (after[edge] === (preview ?? from.item)[edge]) return;
    preview = after;
    jump(frameAt(after, edge));
    fillEditor();
    invalidate();
  });
  const drop = event => {
    if (!from) return;
    const after = preview, [x, y] = placeIn(lanesBox, event);
    from = preview = null;
    if (after && event.type === "pointerup") return setEdge(edge, after[edge]);
    // A click that was meant for what lies under the handle.
    const item = after ? null : strokeAt(x, y, 0);
    if (item && item.id !== selected) return choose(item);
    fillEditor();
    invalidate();
  };
  node.addEventListener("pointerup", drop);
  node.addEventListener("pointercancel", drop);
  node.addEventListener("keydown", event => {
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    nudge(edge, by);
  });
}

// ---- Video ----

const video = $("video");
let now = 0, wanted = null, hasVideo = false, isLooping = false, presented = null;

/** Show a frame. Its middle is asked for: its very begin may round into the frame before. */
function jump(frame) {
  now = clamp(frame, 0, frames - 1);
  if (hasVideo) {
    wanted = now;
    if (!video.seeking) seek();
  }
  showNow();
}
function seek() {
  const frame = wanted;
  wanted = null;
  presented = null;
  video.currentTime = (timeOf(frame) + timeOf(frame + 1)) / 2;
}
function showNow() {
  $("now").textContent = timeText(now);
  $("now-frame").textContent = `frame ${now}`;
  lanesBox.setAttribute("aria-valuenow", now);
  lanesBox.setAttribute("aria-valuetext", `${timeText(now)}, frame ${now}`);
  placeHead();
}
function follow() {
  const seconds = timeOf(now);
  if (seconds < view.begin || seconds > view.end) lookAt(seconds - span() * 0.1, span());
}
function tick() {
  if (video.paused || video.ended) return;
  if (!video.seeking && wanted === null) {
    const item = isLooping ? chosen() : null, at = video.currentTime;
    if (item && (at >= timeOf(item.end) || at < timeOf(item.begin))) jump(item.begin);
    else if (shownAt(at) !== now) { now = shownAt(at); showNow(); }
    follow();
  }
  requestAnimationFrame(tick);
}
function play() {
  if (!hasVideo) return say("There is no video to play; choose it first.");
  if (now >= frames - 1 && !isLooping) jump(0);
  video.play().catch(() => {});
}
function stop() { if (!video.paused) video.pause(); }
function toggle() { if (video.paused) play(); else video.pause(); }
function setLoop(on) {
  if (on && !chosen()) return say("Choose a stroke first.");
  isLooping = on;
  $("loop").setAttribute("aria-pressed", on);
  if (on) { jump(chosen().begin); play(); say("Repeats the stroke."); } else { stop(); say("Repeats no more."); }
}
function setSpeed(step) {
  const select = $("speed");
  select.selectedIndex = clamp(select.selectedIndex + step, 0, select.options.length - 1);
  video.playbackRate = Number(select.value);
  say(`Speed ${select.selectedOptions[0].text}.`);
}
function mute() {
  video.muted = !video.muted;
  $("mute").setAttribute("aria-pressed", video.muted);
}
function watchFrames() {
  video.requestVideoFrameCallback?.((_, frame) => { presented = frame.mediaTime; watchFrames(); });
}
video.addEventListener("seeked", () => { if (wanted !== null) seek(); });
video.addEventListener("play", () => { $("play").textContent = "⏸ Pause"; requestAnimationFrame(tick); });
video.addEventListener("pause", () => {
  $("play").textContent = "▶ Play";
  // The frame that stands still, which the time of the player may be ahead of.
  if (!video.ended && wanted === null && !video.seeking) jump(shownAt(presented ?? video.currentTime));
});
video.addEventListener("ended", () => {
  if (isLooping && chosen()) { jump(chosen().begin); play(); } else { now = frames - 1; showNow(); }
});
video.addEventListener("loadedmetadata", () => {
  if (!video.videoWidth) return complain();
  hasVideo = true;
  placePlayers();
  $("video-notice").hidden = true;
  video.playbackRate = Number($("speed").value);
  $("play").disabled = $("loop").disabled = false;
  jump(now);
  if (Math.abs(video.duration - duration) > Math.max(1, duration / 100)) say(
    `This seems to be another video: it lasts ${clockText(video.duration)}, the strokes are of one of ${clockText(duration)}.`);
});
video.addEventListener("error", complain);
video.addEventListener("click", toggle);
/** Put the frames of the players' regions over the picture, which may leave room at two sides. */
function placePlayers() {
  const [wide, high] = [video.clientWidth, video.clientHeight], scale = Math.min(wide / video.videoWidth, high / video.videoHeight);
  $("places").hidden = !players.length || !hasVideo;
  if ($("places").hidden) return;
  [...$("places").children].forEach((node, number) => {
    const [x, y, width, height] = players[number].region;
    node.style.left = `${(wide - scale * video.videoWidth) / 2 + scale * x}px`;
    node.style.top = `${(high - scale * video.videoHeight) / 2 + scale * y}px`;
    node.style.width = `${scale * width}px`;
    node.style.height = `${scale * height}px`;
  });
}
new ResizeObserver(placePlayers).observe(video);
function complain() {
  hasVideo = false;
  placePlayers();
  $("play").disabled = $("loop").disabled = true;
  $("video-notice").hidden = false;
  $("video-problem").textContent = `“${data.file}” is not where this page looks for it, or this browser cannot play it ` +
    "(many cannot play AVI and HEVC); choose the video, or a copy of it as MP4 with H.264.";
}
let ownAddress = null;
$("choose-file").addEventListener("change", event => {
  const [file] = event.target.files;
  if (!file) return;
  if (ownAddress) URL.revokeObjectURL(ownAddress);
  ownAddress = URL.createObjectURL(file);
  video.src = ownAddress;
});

// ---- Choosing strokes ----

/** The corrected stroke that was made of one that was found or marked, if it is still there. */
const correctedOf = item => item.kind !== "corrected" && base[0]?.kind === item.kind && byNumber.get(item.number) || item;
function choose(item, isQuiet = false) {
  selected = item.id;
  lastPlayer = item.player;
  bringIntoView(item);
  jump(item.begin);
  invalidate();
  fillEditor();
  fillList(true);
  if (!isQuiet) say(describe(item));
}
function remarks(item) {
  const sure = sureOf(item), kind = { marked: "marked by hand", found: "found by the network" }[item.kind] ?? STATES[stateOf(item)];
  return (playerOf(item) && `${playerOf(item)}, `) + kind + (sure === null ? "" : `, ${Math.round(100 * sure)} % sure`) + (item.who ? `, by ${item.who}` : "");
}
const describe = item => `${nameOf(item.label)}, ${timeText(item.begin)} to ${timeText(item.end)}, ${remarks(item)}.`;
function neighbour(by) {
  const item = chosen();
  // Without a chosen stroke the playhead counts.
  const isBefore = item ? s => compare(s, item) < 0 && s.id !== item.id : s => s.begin < now;
  const before = shown.filter(isBefore);
  if (by < 0) return before.at(-1) ?? null;
  return shown.slice(before.length).find(s => s.id !== item?.id) ?? null;
}
function go(by) {
  const item = neighbour(by);
  if (item) choose(item); else say(by > 0 ? "That was the last stroke." : "That was the first stroke.");
}
function confirmRight() {
  const item = chosen();
  if (item?.kind !== "corrected") return say("Choose a corrected stroke first.");
  const next = neighbour(1);
  if (!item.checked) change([[item, edited(item, {})]], `Right: ${nameOf(item.label)}, ${timeText(item.begin)}.`);
  if (next) choose(next, true); else say("That was the last stroke.");
}
function remove() {
  const item = chosen();
  if (item?.kind !== "corrected") return say("Choose a corrected stroke first.");
  const next = neighbour(1) ?? neighbour(-1);
  change([[item, null]], `Deleted: ${nameOf(item.label)}, ${timeText(item.begin)}.`, next?.id ?? null);
  if (next) { bringIntoView(next); jump(next.begin); }
}
function takeOver() {
  const item = chosen();
  if (!item || item.kind === "corrected") return say("Choose a stroke that was found or marked first.");
  const own = stroke(item.begin, item.end, item.label, item.kind === base[0].kind ? item.number : -1, true, item.player);
  change([[null, own]], `Taken over: ${describe(item)}`, own.id);
}
let pending = null, lastLabel = UNKNOWN, lastPlayer = 0;
function add() {
  if (pending === null) {
    pending = now;
    $("pending").hidden = false;
    $("add").textContent = "+ The stroke ends here";
    $("add").setAttribute("aria-pressed", true);
    placeHead();
    return say(`A new stroke${playerOf({ player: lastPlayer }) && ` of ${playerOf({ player: lastPlayer })}`} begins here. Go to its last frame, and press again (A); Escape gives it up.`);
  }
  const from = Math.min(pending, now), to = Math.max(pending, now) + 1;
  const label = filter.classes.size === 1 ? [...filter.classes][0] : lastLabel;
  stopAdding();
  stop();
  const own = stroke(from, to, label, -1, true, lastPlayer);
  change([[null, own]], `Added from ${timeText(from)} to ${timeText(to)}. Which stroke is it?`, own.id);
  $("label").focus();
}
function stopAdding() {
  pending = null;
  $("pending").hidden = true;
  $("add").textContent = "+ Add a stroke here";
  $("add").removeAttribute("aria-pressed");
}
function restart() {
  const pairs = [...ordered.map(s => [s, null]), ...[...fresh().values()].map(s => [null, s])];
  change(pairs, "All corrections dropped; Undo brings them back.");
}

// ---- The chosen stroke ----

function fillEditor() {
  const item = preview ?? chosen(), isOwn = item?.kind === "corrected";
  $("chosen").textContent = !item ? "none: click one in the timeline or in the list" : isOwn ? remarks(item) : describe(item);
  $("fields").hidden = !isOwn;
  $("copy").hidden = !item || isOwn;
  $("right").disabled = $("delete").disabled = !isOwn;
  if (!isOwn) return closeOptions();
  if (document.activeElement !== $("label")) $("label").value = nameOf(item.label);
  $("player").value = item.player;
  for (const edge of ["begin", "end"]) {
    $(`${edge}-time`).textContent = timeText(item[edge]);
    $(`${edge}-frame`).textContent = edge === "begin" ? `frame ${item.begin}` : `last frame ${item.end - 1}`;
  }
}

const labelBox = $("label"), optionBox = $("options");
let options = [], option = -1;
const tidy = text => text.normalize("NFC").split(/\s+/).filter(Boolean).join(" ");
function openOptions(text) {
  const words = tidy(text).toLowerCase().split(" ").filter(Boolean);
  const names = [...classes.keys()];
  options = names.filter(name => words.every(word => nameOf(name).toLowerCase().includes(word)));
  const own = tidy(text);
  if (own && !names.some(name => name === own || nameOf(name) === own)) options.push({ own });
  option = -1;
  optionBox.replaceChildren(...options.map((entry, number) => {
    const node = document.createElement("li");
    node.id = `option-${number}`;
    node.setAttribute("role", "option");
    if (entry.own) node.textContent = `New name: ${entry.own}`;
    else node.append(swatch(entry), nameOf(entry));
    node.addEventListener("pointerdown", event => event.preventDefault());
    node.addEventListener("click", () => { option = number; commitLabel(); });
    return node;
  }));
  optionBox.hidden = !options.length;
  labelBox.setAttribute("aria-expanded", !optionBox.hidden);
  if (options.length) mark(words.length ? 0 : Math.max(0, options.indexOf(chosen()?.label)));
}
function mark(number) {
  option = (number + options.length) % options.length;
  [...optionBox.children].forEach((node, n) => node.setAttribute("aria-selected", n === option));
  labelBox.setAttribute("aria-activedescendant", `option-${option}`);
  // Not scrollIntoView, which moves the page too.
  const node = optionBox.children[option], high = optionBox.clientHeight;
  optionBox.scrollTop = clamp(optionBox.scrollTop, node.offsetTop + node.offsetHeight - high, node.offsetTop);
}
function closeOptions() {
  optionBox.hidden = true;
  labelBox.setAttribute("aria-expanded", false);
  labelBox.removeAttribute("aria-activedescendant");
}
function commitLabel() {
  const entry = options[option], item = chosen();
  if (entry === undefined || !item) return;
  const label = entry.own ?? entry;
  lastLabel = label;
  leaveLabel();
  if (label === item.label) return say(`It stays ${nameOf(label)}.`);
  change([[item, edited(item, { label })]], `Now ${nameOf(label)}.`);
}
function leaveLabel() {
  closeOptions();
  lanesBox.focus({ preventScroll: true });
  fillEditor();
}
labelBox.addEventListener("focus", () => { labelBox.select(); openOptions(""); });
labelBox.addEventListener("click", () => { if (optionBox.hidden) openOptions(""); });
labelBox.addEventListener("input", () => openOptions(labelBox.value));
labelBox.addEventListener("blur", () => { closeOptions(); setTimeout(fillEditor); });
labelBox.addEventListener("keydown", event => {
  if (event.isComposing) return;
  const act = {
    ArrowDown: () => optionBox.hidden ? openOptions("") : mark(option + 1),
    ArrowUp: () => optionBox.hidden ? openOptions("") : mark(option - 1),
    Enter: commitLabel,
    Escape: leaveLabel,
  }[event.key];
  if (!act) return;
  event.preventDefault();
  event.stopPropagation();
  act();
});

// ---- List: only the rows that can be seen exist ----

function swatch(label) {
  const node = document.createElement("span"), { colour, pattern } = look(label);
  node.className = `swatch p${pattern}`;
  node.style.setProperty("--c", colour);
  node.style.setProperty("--t", pale(colour, 0.25));
  return node;
}
const list = $("list"), inside = $("rows-inside");
function line(kind, text, parent, tag = "div") {
  const node = document.createElement(tag);
  node.className = kind;
  node.textContent = text;
  parent.append(node);
  return node;
}
function fillList(mayScroll = false) {
  const place = shown.findIndex(s => s.id === selected);
  $("listed").textContent = shown.length === ordered.length ? `${shown.length}` : `${shown.length} of ${ordered.length}`;
  inside.style.height = `${shown.length * ROW_PX}px`;
  if (mayScroll && place >= 0) {
    const top = place * ROW_PX;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top + ROW_PX > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW_PX - list.clientHeight;
  }
  const first = Math.max(0, Math.floor(list.scrollTop / ROW_PX) - 2);
  const last = Math.min(shown.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW_PX) + 2);
  const numbers = Array.from({ length: Math.max(0, last - first) }, (_, n) => first + n);
  // The chosen one exists even out of sight: readers are told of it.
  if (place >= 0 && (place < first || place >= last)) numbers.push(place);
  inside.replaceChildren(...numbers.map(number => {
    const item = shown[number], node = document.createElement("div"), sure = sureOf(item);
    node.className = "row";
    node.id = `row-${item.id}`;
    node.setAttribute("role", "option");
    node.setAttribute("aria-selected", item.id === selected);
    node.setAttribute("aria-setsize", shown.length);
    node.setAttribute("aria-posinset", number + 1);
    node.style.transform = `translateY(${number * ROW_PX}px)`;
    node.append(swatch(item.label));
    const middle = line("middle", "", node);
    line("name", nameOf(item.label), middle);
    line("state", (playerOf(item) && `${playerOf(item)} · `) + STATES[stateOf(item)] + (sure === null ? "" : ` · ${Math.round(100 * sure)} % sure`), middle);
    const when = line("when", timeText(item.begin), node);
    line("", `frame ${item.begin}`, when, "small");
    node.addEventListener("click", () => choose(item));
    return node;
  }));
  if (place >= 0) list.setAttribute("aria-activedescendant", `row-${selected}`);
  else list.removeAttribute("aria-activedescendant");
}
list.addEventListener("scroll", () => fillList());
list.addEventListener("keydown", event => {
  const page = Math.max(1, Math.floor(list.clientHeight / ROW_PX) - 1);
  const place = shown.findIndex(s => s.id === selected);
  const to = {
    ArrowDown: place + 1, ArrowUp: Math.max(0, place - 1), PageDown: place + page, PageUp: place - page,
    Home: 0, End: shown.length - 1,
  }[event.key];
  if (event.key === "Enter") { event.preventDefault(); event.stopPropagation(); return setLoop(!isLooping); }
  if (to === undefined || !shown.length) return;
  event.preventDefault();
  event.stopPropagation();
  choose(shown[clamp(to, 0, shown.length - 1)]);
});

// ---- Counts ----

function fillCounts() {
  const count = rows => {
    const numbers = new Map();
    for (const item of rows) if (passesKind(item)) numbers.set(item.label, (numbers.get(item.label) ?? 0) + 1);
    return numbers;
  };
  const sets = { marked: count(marked), found: count(found), corrected: count(ordered) };
  const isOn = label => !filter.classes.size || filter.classes.has(label);
  const holder = $("counts"), focused = document.activeElement?.dataset?.label;
  const names = [...classes.keys()].filter(name => name !== UNKNOWN ||
    [...marked, ...found, ...ordered].some(s => s.label === UNKNOWN));
  holder.replaceChildren(...names.map(name => {
    const row = document.createElement("tr");
    row.className = isOn(name) ? "" : "off";
    const head = document.createElement("th"), button = document.createElement("button");
    head.scope = "row";
    button.type = "button";
    button.dataset.label = name;
    button.setAttribute("aria-pressed", filter.classes.has(name));
    button.append(swatch(name), nameOf(name));
    button.addEventListener("click", () => {
      if (!filter.classes.delete(name)) filter.classes.add(name);
      filtered();
    });
    head.append(button);
    row.append(head);
    for (const kind of ["marked", "found", "corrected"]) {
      const cell = line("", sets[kind].get(name) ?? 0, row, "td");
      cell.hidden = kind !== "corrected" && !all[kind].length;
    }
    return row;
  }));
  if (focused !== undefined) [...holder.querySelectorAll("button")].find(b => b.dataset.label === focused)?.focus();
  for (const kind of ["marked", "found", "corrected"]) {
    const sum = [...sets[kind]].reduce((total, [name, n]) => total + (isOn(name) ? n : 0), 0);
    $(`sum-${kind}`).textContent = sum;
    if (kind === "corrected") continue;
    $(`sum-${kind}`).hidden = $(`head-${kind}`).hidden = !all[kind].length;
  }
}
function filtered() {
  filter.hand = $("by-hand").value;
  filter.type = $("by-type").value;
  filter.state = $("by-state").value;
  filter.sure = Number($("by-sure").value);
  $("sure").textContent = `${filter.sure} %`;
  $("show-all").hidden = !(filter.classes.size || filter.hand || filter.type || filter.state || filter.sure);
  list.scrollTop = 0;
  refresh();
  say(`${shown.length} of ${ordered.length} strokes are shown.`);
}
function showAll() {
  filter.classes.clear();
  for (const id of ["by-hand", "by-type", "by-state"]) $(id).value = "";
  $("by-sure").value = 0;
  filtered();
  list.focus({ preventScroll: true });
}

// ---- Saving: as `index` reads it ----

const stem = data.file.replace(/\.[^.]*$/, "");
function save(text, suffix, kind) {
  const link = document.createElement("a"), address = URL.createObjectURL(new Blob([text], { type: kind }));
  link.href = address;
  link.download = `${stem}.corrected.${suffix}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
  isSaved = true;
  const open = ordered.filter(s => stateOf(s) === "unchecked").length;
  say(`Saved ${ordered.length} strokes` + (open ? `, ${open} of them not checked yet.` : "."));
}
/** As the tables of `detect`: a space before what a spreadsheet would take for a formula; readers take it off. */
const noFormula = text => /^[=+\-@＝＋－＠\t\r\n]/.test(text) ? ` ${text}` : text;
const cell = text => /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
function saveTable() {
  const lines = ordered.map(s => [data.name, s.begin, s.end, s.label, annotator, stateOf(s) === "unchecked" ? "no" : "yes",
    ...players.length ? [playerOf(s), ...players[s.player].region] : []]);
  const columns = players.length ? ["player", "x", "y", "width", "height"] : [];
  const rows = [["video", "begin", "end", "label", "annotator", "checked", ...columns], ...lines];
  const text = rows.map(row => row.map(value => cell(noFormula(String(value)))).join(",") + "\n").join("");
  // The byte order mark is for Excel, which would spoil umlauts without.
  save("\ufeff" + text, "csv", "text/csv");
}
const escaped = text => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
function quoted(text) {
  const own = escaped(text).replace(/[\t\n\r]/g, sign => `&#${sign.charCodeAt(0)};`);
  return own.includes('"') && !own.includes("'") ? `'${own}'` : `"${own.replaceAll('"', "&quot;")}"`;
}
function saveElan() {
  for (const text of [data.name, annotator, ...players.map(p => p.name), ...ordered.map(s => s.label)])
    if (/[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u.test(text))
      return say(`“${text}” holds characters that ELAN's files cannot; save as a table, or rename it.`);
  // No two strokes of a tier may be at once.
  const tiers = [];
  for (const s of ordered) {
    const free = tiers.find(tier => tier.at(-1).end <= s.begin && tier[0].player === s.player);
    if (free) free.push(s); else tiers.push([s]);
  }
  const strokes = tiers.flat(), bounds = strokes.flatMap(s => [s.begin, s.end]), times = bounds.map(millisecondsOf);
  const lost = bounds.findIndex((frame, n) => !comesBack(frame, times[n]));
  if (lost >= 0) return say(`ELAN counts whole milliseconds, too few for the stroke at ${timeText(bounds[lost])}; save as a table.`);
  // ELAN wants the time slots in the order of time.
  const byTime = [...times.keys()].sort((a, b) => times[a] - times[b] || a - b);
  const rank = new Map(byTime.map((slot, n) => [slot, n + 1]));
  const who = tidy(annotator) || "strokes", media = quoted("./" + data.name.replace(/^(?:\.?\/)+/, ""));
  const kind = data.name.toLowerCase().endsWith(".mp4") ? "video/mp4" : "video/*";
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<ANNOTATION_DOCUMENT AUTHOR="" DATE="1970-01-01T00:00:00Z" FORMAT="3.0" VERSION="3.0" ' +
      'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ' +
      'xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">',
    '<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">',
    `<MEDIA_DESCRIPTOR MEDIA_URL=${media} MIME_TYPE="${kind}" RELATIVE_MEDIA_URL=${media}/>`,
    `<PROPERTY NAME="lastUsedAnnotationId">${strokes.length}</PROPERTY>`,
    "</HEADER>",
    "<TIME_ORDER>",
    ...byTime.map((slot, n) => `<TIME_SLOT TIME_SLOT_ID="ts${n + 1}" TIME_VALUE="${times[slot]}"/>`),
    "</TIME_ORDER>",
  ];
  let number = 0;
  tiers.forEach((own, n) => {
    const player = playerOf(own[0]), first = player ? `${who}@${player}` : who;
    const before = tiers.slice(0, n).filter(tier => tier[0].player === own[0].player).length;
    const name = quoted(before ? `${first} ${before + 1}` : first), part = player && `PARTICIPANT=${quoted(player)} `;
    lines.push(`<TIER ANNOTATOR=${quoted(who)} LINGUISTIC_TYPE_REF="strokes" ${part}TIER_ID=${name}>`);
    for (const s of own) {
      lines.push(
        `<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a${number + 1}" ` +
        `TIME_SLOT_REF1="ts${rank.get(2 * number)}" TIME_SLOT_REF2="ts${rank.get(2 * number + 1)}">` +
        `<ANNOTATION_VALUE>${escaped(s.label)}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>`);
      number++;
    }
    lines.push("</TIER>");
  });
  lines.push('<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="strokes" TIME_ALIGNABLE="true"/>', "</ANNOTATION_DOCUMENT>\n");
  save(lines.join("\n"), "eaf", "application/xml");
}

/** Rows of cells of a table, by the rules of spreadsheets. */
function parseTable(text) {
  const head = text.split(/[\r\n]/, 1)[0];
  const delimiter = [",", ";", "\t"].find(sign => head.includes(sign)) ?? ",";
  const rows = [];
  let row = [], own = "", isQuoted = false;
  for (let i = 0; i < text.length; i++) {
    const sign = text[i];
    if (isQuoted) {
      if (sign !== '"') own += sign;
      else if (text[i + 1] === '"') { own += '"'; i++; }
      else isQuoted = false;
    } else if (sign === '"' && !own.trim()) { isQuoted = true; own = ""; }
    else if (sign === delimiter) { row.push(own.trim()); own = ""; }
    else if (sign === "\n" || sign === "\r") { row.push(own.trim()); own = ""; rows.push(row); row = []; }
    else own += sign;
  }
  row.push(own.trim());
  rows.push(row);
  return rows.filter(cells => cells.some(Boolean));
}
const lastPart = name => name.trim().normalize("NFC").replaceAll("\\", "/").split("/").at(-1);
const bare = name => lastPart(name).replace(/\.[^.]*$/, "");
async function load(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const isWide = bytes[0] === 0xff && bytes[1] === 0xfe;
  const [head, ...rows] = parseTable(new TextDecoder(isWide ? "utf-16le" : "utf-8").decode(bytes));
  const columns = (head ?? []).map(name => name.toLowerCase());
  const at = name => columns.indexOf(name);
  if (["video", "begin", "end", "label"].some(name => at(name) < 0))
    return say(`“${file.name}” is no such table: it needs the columns video, begin, end and label. Nothing was changed.`);
  // Folders and suffix may be written or left out.
  const isOurs = name => bare(name) === bare(data.name) || lastPart(name) === bare(data.name);
  const mine = rows.filter(row => isOurs(row[at("video")] ?? ""));
  const read = [];
  for (const row of mine) {
    const [begin, end] = ["begin", "end"].map(name => /^\d{1,12}$/.test(row[at(name)] ?? "") ? Number(row[at(name)]) : NaN);
    if (!(begin < end && end <= frames))
      return say(`“${file.name}”: a stroke from “${row[at("begin")]}” to “${row[at("end")]}” lies not in this video of ${frames} frames. Nothing was changed.`);
    const name = tidy(row[at("player")] ?? ""), player = players.findIndex(p => p.name === name);
    if (players.length && player < 0)
      return say(`“${file.name}”: ${name ? `“${name}” is no player of this page` : "a stroke names no player"}; they are ${players.map(p => p.name).join(", ")}. Nothing was changed.`);
    read.push({ begin, end, label: tidy(row[at("label")] ?? "") || UNKNOWN, checked: row[at("checked")] !== "no", number: -1, player: Math.max(0, player) });
  }
  if (!mine.length && rows.length) return say(`“${file.name}” is about other videos. Nothing was changed.`);
  const who = mine.map(row => row[at("annotator")] ?? "").find(Boolean);
  if (who) { annotator = who.slice(0, 100); $("annotator").value = annotator; }
  replaceAll(read, `Read ${read.length} strokes from “${file.name}”; Undo brings the others back.`);
}
/** Take other strokes for all that there are, as one step. */
function replaceAll(rows, text) {
  link(rows);
  const pairs = rows.map(r => [null, stroke(r.begin, r.end, r.label, r.number, r.checked, r.player)]);
  change([...ordered.map(s => [s, null]), ...pairs], text);
}
/** Say of strokes of a table which found ones they were: the same, or else the one they overlap most. */
function link(rows) {
  const key = s => `${s.begin} ${s.end} ${s.player} ${s.label}`;
  const free = new Map();
  for (const b of base) free.set(key(b), [...free.get(key(b)) ?? [], b.number]);
  const taken = new Set();
  for (const row of rows) {
    const number = free.get(key(row))?.shift();
    if (number !== undefined) { row.number = number; taken.add(number); }
  }
  const row = lane("", base);
  for (const own of rows) {
    let most = 0;
    if (own.number >= 0) continue;
    for (let i = firstVisible(row, own.begin); i < base.length && base[i].begin < own.end; i++) {
      const shared = Math.min(own.end, base[i].end) - Math.max(own.begin, base[i].begin);
      if (shared > most && !taken.has(i) && base[i].player === own.player) { most = shared; own.number = i; }
    }
    if (own.number >= 0) taken.add(own.number);
  }
}

// ---- Keys and buttons ----

const moveBy = seconds => { const at = clamp(timeOf(now) + seconds, startOfAll, duration); jump(shownAt(at)); follow(); };
const stepBy = count => { stop(); jump(now + count); follow(); };
const keys = [
  [["Space", "K"], "play or pause", toggle],
  [[",", "."], "one frame back or on (with Shift: ten)", null],
  [["←", "→"], "one second back or on", null],
  [["N", "P"], "next or previous stroke", null],
  [["L"], "repeat the chosen stroke, or no more", () => setLoop(!isLooping)],
  [["S", "F"], "slower or faster", null],
  [["M"], "sound off or on", mute],
  [["R"], "it is right; go to the next", confirmRight],
  [["C"], "choose which stroke it is: type a part of its name, Enter", () => chosen()?.kind === "corrected" ? labelBox.focus() : say("Choose a corrected stroke first.")],
  [["B"], "it begins with the frame that is shown", () => setEdge("begin", now)],
  [["E"], "it ends with the frame that is shown", () => setEdge("end", now + 1)],
  [["1", "2"], "begin one frame earlier or later", null],
  [["3", "4"], "end one frame earlier or later", null],
  [["A"], "add a stroke: where it begins, and again where it ends", add],
  [["T"], "take over a stroke that was found or marked", takeOver],
  [["Delete"], "delete the chosen stroke", remove],
  [["Ctrl+Z", "Ctrl+Y"], "undo or redo", null],
  [["+", "−"], "show less or more time", null],
  [["Z", "0"], "zoom to the stroke, or the whole video", null],
  [["Escape"], "give up adding, close, choose nothing", escape],
  [["?"], "this help", help],
];
const acts = {
  " ": toggle, k: toggle, ",": () => stepBy(-1), ".": () => stepBy(1), "<": () => stepBy(-10), ">": () => stepBy(10),
  ";": () => stepBy(-10), ":": () => stepBy(10),
  ArrowLeft: () => moveBy(-1), ArrowRight: () => moveBy(1), n: () => go(1), p: () => go(-1),
  l: () => setLoop(!isLooping), s: () => setSpeed(-1), f: () => setSpeed(1), m: mute, r: confirmRight,
  c: keys[8][2], b: keys[9][2], e: keys[10][2], 1: () => nudge("begin", -1), 2: () => nudge("begin", 1),
  3: () => nudge("end", -1), 4: () => nudge("end", 1), a: add, t: takeOver, Delete: remove, Backspace: remove,
  "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), "−": () => zoom(2), z: zoomToStroke,
  0: () => lookAt(startOfAll, duration - startOfAll), Escape: escape, "?": help,
};
function escape() {
  if (pending !== null) { stopAdding(); return say("No stroke was added."); }
  if (selected === null) return;
  if (isLooping) setLoop(false);
  selected = null;
  refresh();
  say("No stroke is chosen.");
}
function help() { $("help").showModal(); }
addEventListener("keydown", event => {
  if (event.isComposing || $("help").open) return;
  const node = event.target, tag = node.tagName;
  if (tag === "INPUT" && node.type === "text") return;
  if (event.ctrlKey || event.metaKey) {
    const key = event.key.toLowerCase();
    if (event.altKey || key !== "z" && key !== "y") return;
    event.preventDefault();
    return key === "y" || event.shiftKey ? takeAgain() : takeBack();
  }
  if (event.altKey) return;
  const isArrow = event.key.startsWith("Arrow");
  if (tag === "BUTTON" && event.key === " ") return;
  if ((tag === "SELECT" || tag === "INPUT") && (isArrow || event.key === " " || tag === "SELECT" && event.key.length === 1)) return;
  if (!$("keys-on").checked && event.key.length === 1 && event.key !== " ") return;
  const act = acts[event.key] ?? acts[event.key.toLowerCase()];
  if (!act) return;
  event.preventDefault();
  act();
});
const presses = {
  play: toggle, "step-back": () => stepBy(-1), "step-on": () => stepBy(1), previous: () => go(-1), next: () => go(1),
  loop: () => setLoop(!isLooping), mute, "zoom-in": () => zoom(0.5), "zoom-out": () => zoom(2), "zoom-stroke": zoomToStroke,
  "zoom-all": acts[0], "begin-less": acts[1], "begin-more": acts[2], "end-less": acts[3], "end-more": acts[4],
  "begin-here": acts.b, "end-here": acts.e, right: confirmRight, delete: remove, copy: takeOver, add, undo: takeBack,
  redo: takeAgain, "show-all": showAll, "save-csv": saveTable, "save-eaf": saveElan, restart, "help-open": help,
  "bring-back": bringBack, "not-now": notNow, choose: () => $("choose-file").click(), load: () => $("load-file").click(),
};
for (const [id, act] of Object.entries(presses)) $(id).addEventListener("click", () => act());
for (const id of ["by-state", "by-hand", "by-type", "by-sure"]) $(id).addEventListener("input", filtered);
$("speed").addEventListener("change", () => setSpeed(0));
$("rows").addEventListener("change", refresh);
$("player").addEventListener("change", event => {
  const item = chosen(), player = Number(event.target.value);
  if (item?.kind !== "corrected") return;
  lastPlayer = player;
  change([[item, edited(item, { player })]], `Now a stroke of ${players[player].name}.`);
});
$("annotator").addEventListener("input", event => { annotator = tidy(event.target.value); store(); });
$("load-file").addEventListener("change", event => {
  const [file] = event.target.files;
  if (file) load(file).catch(() => say(`“${file.name}” cannot be read. Nothing was changed.`));
  event.target.value = "";
});

// ---- Beginning ----

function fillSelect(id, entries) {
  $(id).replaceChildren(...entries.map(([value, text]) => new Option(text, value)));
}
fillSelect("player", players.map(({ name }, number) => [number, name]));
$("player-field").hidden = players.length < 2;
for (const { name } of players) line("place", name, $("places"));
fillSelect("by-hand", [["", "both"], ...hands.map(name => [name, name.toLowerCase()])]);
fillSelect("by-type", [["", "all"], ...types.map(name => [name, name.toLowerCase()])]);
$("by-hand-field").hidden = hands.length < 2;
$("by-type-field").hidden = types.length < 2;
$("by-sure-field").hidden = !found.length;
fillSelect("rows", [...hands.length > 1 ? [["hand", "hand"]] : [], ...types.length > 1 ? [["type", "type"]] : [], ["class", "stroke"], ["", "nothing"]]);
if (hands.length < 2 && types.length < 2 && classes.size > 6) $("rows").value = "";
for (const [names, text] of keys) {
  const row = document.createElement("tr"), first = document.createElement("td");
  for (const name of names) { line("", name, first, "kbd"); first.append(" "); }
  row.append(first);
  line("", text, row, "td");
  $("keys").append(row);
}
const total = [marked.length ? `${marked.length} strokes marked by hand` : "", found.length ? `${found.length} found by the network` : ""];
$("summary").textContent = `${clockText(duration, 0)} min: ${total.filter(Boolean).join(", ") || "no strokes yet"}.`;
lanesBox.setAttribute("aria-valuemax", frames - 1);
recall();
$("annotator").value = annotator;
tellKept();
tellEarlier();
new ResizeObserver(() => { drawOverview(); draw(); fillList(); }).observe(lanesBox);
refresh();
showNow();
watchFrames();
video.src = data.url;
})();
