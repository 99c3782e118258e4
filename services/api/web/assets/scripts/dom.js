// Makes elements. Text is only ever text: nothing here, or anywhere in the page, parses HTML.

/**
 * An element with attributes, listeners (`onclick`, ...) and children (nodes, strings, or null to leave out).
 * `class` and `aria-*` are attributes; booleans set or leave out the attribute.
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Set the text of an element, touching the page only if it changes. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Let elements be the first children of a parent, in their order, which readers of the page follow. */
export function inOrder(parent, elements) {
  elements.forEach((element, index) => {
    const there = parent.children[index];
    if (there !== element) parent.insertBefore(element, there ?? null);
  });
}
