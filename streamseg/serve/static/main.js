// The page: cameras, names, buttons and keys.
import { Camera } from "./camera.js";
import { InView } from "./in_view.js";
import { addSource, follow, removeSource, setPaused } from "./server.js";
import { recall, remember } from "./storage.js";
import { Video } from "./video.js";
import { plural, setText } from "./words.js";

const REFRESH_MS = 250, USUAL_WAY = "jpeg";
const find = (id) => document.getElementById(id);

const cameras = new Map();
const show = { masks: true, outlines: true, names: true, chosen: null, video: false };
const inView = new InView((name) => {
  show.chosen = name;
  repaint();
});
let status = null, selected = null, wasLost = false;
let wantsVideo = (recall("video") ?? USUAL_WAY) === "h264";

const page = {
  show,
  select(camera) {
    if (selected === camera) return;
    selected?.element.classList.remove("selected");
    selected = camera;
    camera?.element.classList.add("selected");
  },
  onFrame: (camera) => inView.see(camera, performance.now()),
  remove: askToRemove,
};

function repaint() {
  for (const camera of cameras.values()) camera.repaint();
}

function notify(text) {
  setText(find("notice"), text);
  find("notice").hidden = !text;
}

// --- what the server says -------------------------------------------------------------------

function update(next) {
  status = next;
  if (wasLost) for (const camera of cameras.values()) camera.live.reconnect();
  wasLost = false;
  const mayChange = next.allowed_sources.length > 0;
  for (const [index, camera] of cameras) {
    if (next.sources.some((source) => source.index === index)) continue;
    if (selected === camera) page.select(null);
    camera.close();
    cameras.delete(index);
  }
  for (const source of next.sources) {
    let camera = cameras.get(source.index);
    if (!camera) {
      cameras.set(source.index, camera = new Camera(source.index, page));
      find("cameras").append(camera.element);
    }
    camera.update(source, next.paused, mayChange);
  }
  find("cameras").classList.toggle("single", cameras.size === 1);
  find("empty").hidden = cameras.size > 0;
  setText(find("empty-text"), mayChange
    ? "Add a source to watch it."
    : "Start streamseg serve with a source, or with --token to add sources here.");
  const canVideo = next.has_h264 && Video.isPossible();
  find("video").hidden = !canVideo;
  chooseVideo(canVideo && wantsVideo);
  find("add").hidden = !mayChange;
  setText(find("add-hint"), `Allowed here: ${next.allowed_sources.join(", ")}.`);
  find("pause").disabled = next.ended || cameras.size === 0;
  setText(find("pause"), next.paused ? "Resume" : "Pause");
  find("pause").setAttribute("aria-pressed", String(next.paused));
  setText(find("summary"), summary(next));
  const title = `${summary(next)} – streamseg`;
  if (document.title !== title) document.title = title;
  if (next.failure) notify(`The stream has failed: ${next.failure}`);
  else notify(next.ended ? "The stream has ended." : "");
}

function summary({ sources, paused, viewers }) {
  if (!sources.length) return "no source";
  const live = sources.filter((source) => source.state === "live").length;
  const all = plural(sources.length, "source", "sources");
  const parts = [paused ? "paused" : live === sources.length ? `${all} live` : `${live} of ${all} live`];
  if (viewers > 2 * sources.length + 1) parts.push(plural(viewers, "connection", "connections"));
  return parts.join(", ");
}

follow(update, (text) => {
  wasLost = true;
  setText(find("summary"), "not connected");
  notify(text);
});
setInterval(
  () => inView.refresh(performance.now(), cameras, Boolean(status?.paused)), REFRESH_MS
);
document.addEventListener("visibilitychange", () => {
  for (const camera of cameras.values()) camera.watchIfSeen();
});

// --- buttons --------------------------------------------------------------------------------

for (const what of ["masks", "outlines", "names"]) {
  const button = find(`show-${what}`);
  button.addEventListener("click", () => {
    show[what] = !show[what];
    button.setAttribute("aria-pressed", String(show[what]));
    repaint();
  });
}

function chooseVideo(isChosen) {
  show.video = isChosen;
  find("video").setAttribute("aria-pressed", String(isChosen));
  for (const camera of cameras.values()) camera.live.choose(isChosen);
}
find("video").addEventListener("click", () => {
  wantsVideo = !show.video;
  chooseVideo(wantsVideo);
  remember("video", wantsVideo ? "h264" : "jpeg");
});

async function togglePause() {
  if (!status || find("pause").disabled) return;
  try {
    await setPaused(!status.paused);
  } catch (error) {
    notify(error.message);
  }
}
find("pause").addEventListener("click", togglePause);

find("add").addEventListener("click", () => {
  find("add-problem").hidden = true;
  find("add-dialog").showModal();
});
find("add-cancel").addEventListener("click", () => find("add-dialog").close());
find("add-dialog").querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await addSource(find("add-source").value);
    find("add-source").value = "";
    find("add-dialog").close();
  } catch (error) {
    setText(find("add-problem"), error.message);
    find("add-problem").hidden = false;
  }
});

function askToRemove(camera) {
  const dialog = find("remove-dialog");
  setText(find("remove-name"), camera.title.textContent);
  dialog.returnValue = "";
  dialog.addEventListener("close", async () => {
    if (dialog.returnValue !== "remove") return;
    try {
      await removeSource(camera.index);
    } catch (error) {
      notify(error.message);
    }
  }, { once: true });
  dialog.showModal();
}

// --- keys -----------------------------------------------------------------------------------

function stepCamera(by) {
  const all = [...cameras.values()];
  if (!all.length) return;
  const at = all.indexOf(selected);
  const next = all[at < 0 ? 0 : (at + by + all.length) % all.length];
  page.select(next);
  next.element.focus();
}

const KEYS = {
  " ": togglePause,
  ArrowLeft: () => stepCamera(-1),
  ArrowRight: () => stepCamera(1),
  ArrowUp: () => inView.step(-1),
  ArrowDown: () => inView.step(1),
  f: () => (selected ?? cameras.values().next().value)?.toggleFull(),
  Escape: () => inView.choose(null),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open]") || event.target.matches("input")) return;
  if (event.key === " " && event.target.matches("button")) return;  // it presses the button
  const act = KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
