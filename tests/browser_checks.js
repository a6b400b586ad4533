// What axe would say first, by hand: names, ids, headings, and the contrast of every text that is seen.
() => {
  const problems = [];
  const isSeen = (node) => node.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
  const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
  for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) problems.push(`id twice: ${id}`);
  if (!document.documentElement.lang) problems.push("no language");
  if (document.querySelectorAll("h1").length !== 1) problems.push("not one h1");
  if (document.querySelectorAll("main").length !== 1) problems.push("not one main");
  const levels = [...document.querySelectorAll("h1,h2,h3,h4")].filter(isSeen).map((node) => Number(node.tagName[1]));
  levels.reduce((before, level) => (level > before + 1 && problems.push(`heading ${level} after ${before}`), level), 0);
  for (const field of document.querySelectorAll("input:not([type=hidden]), textarea, select")) {
    if (!field.labels.length && !field.ariaLabel) problems.push(`no label: ${field.outerHTML}`);
  }
  for (const control of document.querySelectorAll("a, button, summary")) {
    if (isSeen(control) && !control.innerText.trim() && !control.ariaLabel) problems.push(`no name: ${control.outerHTML}`);
  }
  for (const link of document.querySelectorAll('a[href^="#"]')) {
    if (!document.getElementById(link.hash.slice(1))) problems.push(`leads nowhere: ${link.outerHTML}`);
  }
  const parse = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) =>
    [r, g, b]
      .map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
      .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const owner = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !isSeen(owner) || owner.closest("script, noscript, .skip-link")) continue;
    const [text, back] = [light(parse(getComputedStyle(owner).color)), light(behind(owner))];
    const ratio = (Math.max(text, back) + 0.05) / (Math.min(text, back) + 0.05);
    if (ratio < 4.5) problems.push(`contrast ${ratio.toFixed(2)}: ${walker.currentNode.data.trim().slice(0, 40)}`);
  }
  if (document.documentElement.scrollWidth > window.innerWidth) problems.push("scrolls sideways");
  return problems;
}
