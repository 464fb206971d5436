/** Whether texts of a page can be read. */

/**
 * An expression that gives the least contrast of the texts that are seen below an element with what is behind them (WCAG 2.2,
 * 1.4.3), and then those below 4.5 in words. Large texts, for which 3 would do, are held to the same; controls that are
 * disabled are not.
 */
export const contrastsIn = (selector: string): string => `(() => {
  const rgb = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] === 1) return c; } return [255, 255, 255]; };
  let low = 99; const faults = [];
  const walker = document.createTreeWalker(document.querySelector(${JSON.stringify(selector)}), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !e.checkVisibility() || e.closest(".offscreen, option, :disabled")) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    low = Math.min(low, ratio);
    if (ratio < 4.5) faults.push(e.className + " " + walker.currentNode.data + " " + ratio.toFixed(2));
  }
  return [low, ...faults];
})()`;
