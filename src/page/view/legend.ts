/** The legend: what the colours mean, which of the colourings is shown, and buttons that list a group. */
import type { MapData } from "../data.ts";
import { h } from "./elements.ts";
import { narrow, type Store } from "./store.ts";
import { groupTint } from "./tints.ts";

export function createLegend(data: MapData, store: Store): HTMLDetailsElement | undefined {
  if (data.colourings.length === 0) return undefined;
  const list = h("ul", { class: "groups" });
  const chooser = h("select", { id: "colouring" });
  for (const [i, { name }] of data.colourings.entries()) {
    const option = h("option", {}, name);
    option.value = String(i);
    chooser.append(option);
  }
  const none = h("option", {}, "no colours");
  none.value = "-1";
  chooser.append(none);
  chooser.addEventListener("change", () => {
    const { group } = store.state;
    store.set({
      colouring: Number(chooser.value),
      group: undefined,
      ...(group === undefined ? {} : { listed: undefined }),
    });
  });

  function press(group: number): void {
    const { state } = store;
    const { name, groups, of } = data.colourings[state.colouring];
    if (state.group === group) {
      store.set({ group: undefined, listed: undefined });
      return;
    }
    const images = Array.from(of.keys()).filter((i) => of[i] === group);
    store.set({ group, tab: "list", listed: { title: `${name}: ${groups[group]}`, images } });
  }

  function show(): void {
    const { colouring, group, dark } = store.state;
    chooser.value = String(colouring);
    const shown = data.colourings[colouring];
    const counts = new Int32Array(shown?.groups.length ?? 0);
    for (const g of shown?.of ?? []) if (g >= 0) counts[g]++;
    list.replaceChildren(
      ...(shown?.groups ?? []).map((name, i) => {
        const swatch = h("span", { class: "swatch", aria: { hidden: true } });
        swatch.style.background = groupTint(i, dark);
        return h(
          "li",
          {},
          h(
            "button",
            { class: "entry", type: "button", aria: { pressed: group === i }, on: { click: () => press(i) } },
            swatch,
            h("span", { class: "name" }, name),
            h("span", { class: "count" }, counts[i].toLocaleString("en")),
          ),
        );
      }),
    );
    list.hidden = !shown;
  }
  show();
  store.onChange((state, before) => {
    if (state.colouring !== before.colouring || state.dark !== before.dark) return show();
    if (state.group === before.group) return;
    for (const [i, entry] of [...list.querySelectorAll("button")].entries())
      entry.setAttribute("aria-pressed", String(state.group === i));
  });
  const label = h("label", {}, "Colours");
  label.htmlFor = "colouring";
  const card = h(
    "details",
    { class: "legend" },
    h("summary", {}, "Legend"),
    h("div", {}, label, chooser),
    list,
  );
  // On a narrow screen it would hide the map.
  card.open = innerWidth >= narrow;
  return card;
}
