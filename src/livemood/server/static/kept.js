/** What the browser remembers for this page; where it may keep nothing, for as long as it is open. */
const here = new Map();

/** The store called `name`, where the browser lets us have it: asking alone may throw. */
function store(name) {
  try {
    return globalThis[name];
  } catch {
    return null;
  }
}

/** What was kept under `key`, in this tab or in this browser; null for nothing. */
export function kept(key) {
  for (const name of ["sessionStorage", "localStorage"]) {
    try {
      const value = store(name)?.getItem(key) ?? null;
      if (value !== null) return value;
    } catch {
      // As if nothing were kept.
    }
  }
  return here.get(key) ?? null;
}

/**
 * Keep `value` under `key`; an empty one is forgotten. Whether it will be there when the page is
 * loaded again.
 * @param {string} key
 * @param {string} value
 * @param {boolean} [stays] In this browser; otherwise in this tab alone.
 */
export function keep(key, value, stays = true) {
  here.set(key, value || null);
  try {
    for (const name of ["sessionStorage", "localStorage"]) store(name).removeItem(key);
    if (value) store(stays ? "localStorage" : "sessionStorage").setItem(key, value);
    return true;
  } catch {
    return false;
  }
}
