/**
 * An element. Text is only ever set as text: names and notes come from anybody.
 * @param {string} tag
 * @param {Record<string, unknown>} [props] Properties; `class`, `data-*`, `aria-*` and `role` are
 *   attributes.
 * @param {...(Node|string|null)} children
 */
export function el(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (/^(class|role|data-|aria-|scope$|for$)/.test(name)) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Set text only where it differs: the browser then has nothing to do. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** The same for an attribute. */
export function set(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** The same for how full a bar is, from 0 to 1. */
export function fillTo(element, share) {
  const transform = `scaleX(${share.toFixed(2)})`;
  if (element.style.transform !== transform) element.style.transform = transform;
}

export const $ = (selector, root = document) => root.querySelector(selector);
