// Short forms for the document.

export const $ = (id) => document.getElementById(id);

export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

/** Replaces the text of a node only if it differs: live regions are announced again otherwise. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
