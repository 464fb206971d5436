/** A map of images as one HTML file that needs nothing else, but for sheets of thumbnails that lie beside it. */
import type { MapData } from "./data.ts";
import { packData } from "./packed.ts";

/** A text that a page holds, with its SHA-256 in base64, by which the page's policy lets it run. */
export interface Hashed {
  readonly text: string;
  readonly sha256: string;
}

/** The page's script, which finds its data in the element `data` and draws into the element `map`, and its style. */
export interface PageParts {
  readonly script: Hashed;
  readonly style: Hashed;
}

const signs: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};
const escaped = (text: string): string => text.replace(/[&<>"]/g, (sign) => signs[sign]);

/** What a page may load: its own script and style, and pictures out of itself or from its own folder. */
const policyOf = ({ script, style }: PageParts): string =>
  [
    "default-src 'none'",
    `script-src 'sha256-${script.sha256}'`,
    `style-src 'sha256-${style.sha256}'`,
    "img-src 'self' data: blob:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");

/** The page. Whatever stands in `data`, such as a name with HTML in it, is text in it. */
export const mapPage = (data: MapData, parts: PageParts): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policyOf(parts)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${escaped(data.title)}: a map of images</title>
<style>${parts.style.text}</style>
</head>
<body>
<div id="map"></div>
<noscript><p>This map is drawn by a script, which this browser does not run.</p></noscript>
<script type="application/json" id="data">${packData(data)}</script>
<script>${parts.script.text}</script>
</body>
</html>
`;
