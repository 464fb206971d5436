/** What most images do without: a page loads it with the first that does not. */
export { decodeBmp } from "./bmp.ts";
export { whyNotRead } from "./other-kinds.ts";
export { whyNoPicture } from "./tiff.ts";
