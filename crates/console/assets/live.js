// Keeps the page live: swaps the parts that the server says have changed.
"use strict";

const connection = document.getElementById("connection");
const pause = document.getElementById("pause");
const announcements = document.getElementById("announcements");
// By the id of a part: the HTML that shows, HTML that waits, and when it was swapped.
const shown = new Map();
const waiting = new Map();
const swappedAt = new Map();
let stream = null;
let isPaused = false;
let hasConnected = false;

function tell(state, text) {
  document.body.dataset.connection = state;
  if (connection.textContent !== text) connection.textContent = text;
}

// Whether the reader is marking text inside of a part: it then keeps still.
function isMarked(place) {
  const selection = document.getSelection();
  return selection && !selection.isCollapsed && place.contains(selection.anchorNode);
}

function release(id) {
  if (waiting.has(id) && !isPaused) swap(id, waiting.get(id));
}

function swap(id, html) {
  const place = document.getElementById(id);
  if (!place) return;
  // Text to read changes less often than numbers.
  const wait = (swappedAt.get(id) ?? -Infinity) + Number(place.dataset.pace ?? 0) - performance.now();
  if (wait > 0 || isMarked(place)) {
    if (wait > 0 && !waiting.has(id)) setTimeout(release, wait, id);
    waiting.set(id, html);
    return;
  }
  waiting.delete(id);
  if (shown.get(id) === html) return;
  const known = new Set([...place.querySelectorAll("[data-key]")].map((item) => item.dataset.key));
  const open = [...place.querySelectorAll("details[open]")].map((details) => details.id);
  const focused = place.contains(document.activeElement) ? document.activeElement.closest("[id]").id : id;

  place.innerHTML = html;

  for (const opened of open) {
    const details = document.getElementById(opened);
    if (details) details.open = true;
  }
  if (focused !== id) document.getElementById(focused)?.querySelector("summary")?.focus({ preventScroll: true });
  // The first filling is not announced.
  if (shown.has(id)) {
    for (const item of place.querySelectorAll("[data-key]")) {
      if (known.has(item.dataset.key)) continue;
      item.classList.add("fresh");
      announcements.textContent = item.dataset.say;
    }
  }
  shown.set(id, html);
  swappedAt.set(id, performance.now());
}

function connect() {
  if (stream) stream.close();
  stream = new EventSource(document.body.dataset.live);
  stream.onopen = () => tell("live", "Live");
  stream.onerror = () => {
    tell("lost", "Connection lost, trying again");
    // The browser tries again by itself unless the server refused.
    if (stream.readyState === EventSource.CLOSED) setTimeout(follow, 5000);
  };
  stream.addEventListener("parts", (event) => {
    const update = JSON.parse(event.data);
    // The program was restarted: its page may look different.
    if (hasConnected && update.edition !== document.body.dataset.edition) {
      location.reload();
      return;
    }
    hasConnected = true;
    for (const [id, html] of Object.entries(update.parts)) swap(id, html);
  });
}

// A page that is paused, or that nobody sees, holds no connection: browsers allow few to one host.
function follow() {
  if (!isPaused && !document.hidden) {
    connect();
    return;
  }
  if (stream) stream.close();
  if (isPaused) tell("paused", "Paused");
}

pause.hidden = false;
pause.addEventListener("click", () => {
  isPaused = !isPaused;
  pause.textContent = isPaused ? "Go on" : "Pause";
  follow();
});
document.addEventListener("selectionchange", () => [...waiting.keys()].forEach(release));
document.addEventListener("visibilitychange", follow);
follow();
