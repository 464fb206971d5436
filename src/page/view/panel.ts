/** The panel beside the map: its tabs, by mouse and by keys, after the ARIA pattern of tabs. */
import { type ContentParts, contents } from "./contents.ts";
import { h } from "./elements.ts";
import { type Store, type Tab, tabs } from "./store.ts";

export function createPanel(parts: ContentParts, store: Store): HTMLElement {
  const { data } = parts;
  const count = (n: number) => (n > 0 ? ` ${n.toLocaleString("en")}` : "");
  const names: Readonly<Record<Tab, () => string>> = {
    image: () => "Image",
    list: () => `List${count(store.state.listed?.images.length ?? 0)}`,
    duplicates: () => `Duplicates${count(data.duplicates.length)}`,
    outliers: () => "Outliers",
  };
  const buttons = new Map<Tab, HTMLButtonElement>();
  const body = h("div", { class: "tabpanel", role: "tabpanel", id: "panel", tabIndex: 0 });

  function step(event: KeyboardEvent): void {
    const at = tabs.indexOf(store.state.tab);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const tab = tabs[(to + tabs.length) % tabs.length];
    store.set({ tab });
    buttons.get(tab)?.focus();
  }

  const bar = h("div", {
    class: "tabs",
    role: "tablist",
    aria: { label: "What is told" },
    on: { keydown: step },
  });
  for (const tab of tabs) {
    const button = h("button", {
      class: "tab",
      role: "tab",
      type: "button",
      id: `tab-${tab}`,
      aria: { controls: "panel" },
      on: { click: () => store.set({ tab }) },
    });
    buttons.set(tab, button);
    bar.append(button);
  }

  function show(): void {
    const { state } = store;
    for (const [tab, button] of buttons) {
      button.textContent = names[tab]();
      button.setAttribute("aria-selected", String(tab === state.tab));
      button.tabIndex = tab === state.tab ? 0 : -1;
    }
    body.setAttribute("aria-labelledby", `tab-${state.tab}`);
    const made = contents[state.tab](parts, state);
    const hadFocus = body.contains(document.activeElement);
    body.replaceChildren(...made.filter((child) => child !== undefined && child !== false));
    body.scrollTop = 0;
    // Whoever pressed something in it goes on from here.
    if (hadFocus) body.focus({ preventScroll: true });
  }
  show();
  store.onChange((state, before) => {
    const keys = ["tab", "current", "listed", "dark"] as const;
    if (keys.some((key) => state[key] !== before[key])) show();
  });
  return h("aside", { class: "panel", aria: { label: "Details" } }, bar, body);
}
