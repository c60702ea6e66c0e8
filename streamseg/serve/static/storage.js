// What the browser keeps of the page; it may keep nothing, by its settings.

export function recall(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {}  // then it lasts until the page is closed
}
