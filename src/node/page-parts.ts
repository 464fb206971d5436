/** Script and style of the pages that are written, with the hashes by which a page's policy knows them. */
import { createHash } from "node:crypto";
import { bundledPage } from "../bundle.mjs";

export interface HashedText {
  readonly text: string;
  /** SHA-256 of the text in UTF-8, in base64. */
  readonly sha256: string;
}

const hashed = (text: string): HashedText => ({
  text,
  sha256: createHash("sha256").update(text).digest("base64"),
});

/** Those of the map of images. A script that held the end of a script element would end there. */
export function mapPageParts(): { readonly script: HashedText; readonly style: HashedText } {
  const { script, style } = bundledPage("page/view/map.ts");
  return { script: hashed(script.replaceAll("</script", "<\\/script")), style: hashed(style) };
}
