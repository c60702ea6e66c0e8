// Numbers and names as people read them.

export function duration(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

export function plural(count, one, many) {
  return `${count} ${count === 1 ? one : many}`;
}

/** Of a path its last part, with the topic of a recording; addresses stay whole. */
export function shortName(source) {
  if (/^[a-z][a-z0-9+.-]*:/i.test(source)) return source;
  const [path, topic] = source.split("#");
  const name = path.split("/").filter(Boolean).pop() ?? path;
  return topic ? `${name} ${topic}` : name;
}

/** Write a text if it has changed: browsers lay the page out again even for the same text. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
