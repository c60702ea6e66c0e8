// COCO's compressed run lengths: lengths of background and mask in turn, column by column.

/** Lengths of the runs, background first. */
export function decodeCounts(text) {
  const counts = [];
  for (let at = 0; at < text.length; ) {
    let value = 0, shift = 0, code;
    do {
      code = text.charCodeAt(at++) - 48;
      value |= (code & 31) << shift;
      shift += 5;
    } while (code & 32);
    if (code & 16) value |= -1 << shift;
    if (counts.length > 2) value += counts[counts.length - 2];
    counts.push(value);
  }
  return counts;
}

/** Call `use(start, end)` for each run of the mask, in pixels counted column by column. */
export function eachRun(counts, use) {
  let at = 0;
  for (let i = 0; i < counts.length; i++) {
    if (i % 2) use(at, at + counts[i]);
    at += counts[i];
  }
}
