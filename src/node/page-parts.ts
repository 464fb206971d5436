/** Script and style of the pages that are written, with the hashes by which a page's policy knows them. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { builtUrl } from "../bundle.mjs";

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
  const built = (ending: string) => readFileSync(builtUrl(`page-view-map.${ending}`), "utf8");
  return { script: hashed(built("js").replaceAll("</script", "<\\/script")), style: hashed(built("css")) };
}
