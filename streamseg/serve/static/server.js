// What the page asks of the server, and what the server says once a second.

const RETRY_MS = 2000, SILENT_MS = 5000;
const SILENCE = "The server does not answer. Trying again.";

/** `onStatus(status)` once a second; `onTrouble(text)` when the server does not answer. */
export function follow(onStatus, onTrouble) {
  const source = new EventSource("events?types=status");
  let timer;
  // after a computer has slept, a connection may be dead without a sign
  const watch = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      source.close();
      onTrouble(SILENCE);
      follow(onStatus, onTrouble);
    }, SILENT_MS);
  };
  watch();
  source.addEventListener("status", ({ data }) => {
    watch();
    onStatus(JSON.parse(data));
  });
  source.onerror = async () => {
    onTrouble(SILENCE);
    if (source.readyState !== EventSource.CLOSED) return;  // it tries by itself
    clearTimeout(timer);
    const problem = await whyRefused();
    if (problem) onTrouble(problem);
    setTimeout(() => follow(onStatus, onTrouble), RETRY_MS);
  };
}

async function whyRefused() {
  try {
    const answer = await fetch("sources");
    if (answer.status === 401) location.assign("login");
    if (answer.ok) return "There are too many viewers. Trying again.";
    return (await answer.text()).trim();
  } catch {
    return null;
  }
}

export function setPaused(isPaused) {
  return change(isPaused ? "pause" : "resume", "POST");
}

export function addSource(source) {
  return change("sources", "POST", JSON.stringify({ source }));
}

export function removeSource(index) {
  return change(`sources/${index}`, "DELETE");
}

/** Raises an Error with the server's own words. */
async function change(path, method, body) {
  const answer = await fetch(path, { method, body });
  if (!answer.ok) throw new Error((await answer.text()).trim());
}
