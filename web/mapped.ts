/** The map in the place of the page, and the way back. */
import type { MapData } from "../src/page/data.ts";
import { h } from "../src/page/view/elements.ts";
import { createMapView } from "../src/page/view/view.ts";
import { button } from "./controls.ts";

/** Shows a map in `place` instead of `page`, until its reader goes back. */
export function openMap(page: HTMLElement, place: HTMLElement, data: MapData): void {
  const view = h("div", {});
  const back = button("Back to the run", close, "link");
  place.replaceChildren(h("div", { class: "strip" }, back, h("span", {}, "All in this tab")), view);
  page.hidden = true;
  place.hidden = false;
  document.body.className = "mapped";
  const end = createMapView(view, data);
  back.focus();

  function close(): void {
    end();
    place.replaceChildren();
    place.hidden = true;
    page.hidden = false;
    document.body.className = "start";
    document.getElementById("show-map")?.focus();
  }
}
