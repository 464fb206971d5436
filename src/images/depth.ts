/** Images of 16 bits, of which the upper byte goes on. */

/** What is to be said of 16 bits whose upper bytes are small: cameras and scanners write 10, 12 or 14 bits so. */
export function darknessOf(rgb: Uint8Array): string | undefined {
  let most = 0;
  for (let i = 0; i < rgb.length && most < 64; i++) most = Math.max(most, rgb[i]);
  if (most >= 64) return undefined;
  return `its 16-bit samples reach no further than ${256 * most + 255} of 65535, so that it is ${most < 16 ? "nearly black" : "dark"}; where they hold fewer bits, scale them to the full range first`;
}
