/** The table of networks to choose from. */
import { h } from "../src/page/view/elements.ts";
import type { NetworkRow } from "./calls.ts";

export interface NetworkTable {
  readonly element: HTMLElement;
  fill(networks: readonly NetworkRow[]): void;
  /** The network that was chosen; undefined where the checkpoint tells it. */
  chosen(): string | undefined;
  /** The checkpoint that is kept and was chosen. */
  keptName(): string | undefined;
  setKept(names: readonly string[]): void;
  /** Whether a checkpoint is given, which suits any network. */
  given(there: boolean): void;
  /** Has the checkpoint tell the network. */
  tell(): void;
}

const told = "told";
const keptPrefix = "kept ";

export function networkTable(changed: () => void): NetworkTable {
  let networks: readonly NetworkRow[] = [];
  let kept: readonly string[] = [];
  let isGiven = false;
  let value = "mobilenet_v1";
  const body = h("tbody", {});
  const head = h(
    "thead",
    {},
    h(
      "tr",
      {},
      ...["Network", "Input", "Feature", "Top-1", "Weights"].map((text) => {
        const cell = h("th", {}, text);
        cell.scope = "col";
        return cell;
      }),
    ),
  );
  const element = h(
    "div",
    { class: "networks", tabIndex: 0, role: "region", aria: { label: "Networks, a table that scrolls" } },
    h("table", {}, head, body),
  );

  function radio(of: string, label: string, enabled: boolean, note: string, cells: readonly string[]) {
    const input = h("input", { type: "radio", id: `network-${of}` });
    input.name = "network";
    input.value = of;
    input.checked = value === of;
    input.disabled = !enabled;
    input.addEventListener("change", () => {
      value = of;
      changed();
    });
    const name = h("label", {}, input, h("span", {}, label));
    name.htmlFor = input.id;
    const first = h("th", {}, name);
    first.scope = "row";
    return h(
      "tr",
      { class: enabled ? "" : "off" },
      first,
      ...cells.map((text) => h("td", {}, text)),
      h("td", {}, note),
    );
  }

  function draw(): void {
    const focused = document.activeElement?.id;
    body.replaceChildren(
      ...(isGiven ? [radio(told, "told by the checkpoint", true, "yours", ["", "", ""])] : []),
      ...kept.map((name) => radio(`${keptPrefix}${name}`, name, true, "kept here", ["", "", ""])),
      ...networks.map(({ name, inputSize, width, top1, included }) =>
        radio(name, name, included || isGiven, included ? "included" : isGiven ? "yours" : "your file", [
          String(inputSize),
          width.toLocaleString("en"),
          top1 === undefined ? "" : `${top1} %`,
        ]),
      ),
    );
    if (focused?.startsWith("network-")) document.getElementById(focused)?.focus();
  }

  return {
    element,
    fill(all) {
      networks = [...all].sort((a, b) => Number(b.included) - Number(a.included));
      draw();
    },
    chosen: () => (value === told || value.startsWith(keptPrefix) ? undefined : value),
    keptName: () => (value.startsWith(keptPrefix) ? value.slice(keptPrefix.length) : undefined),
    setKept(names) {
      kept = names;
      if (value.startsWith(keptPrefix) && !names.includes(value.slice(keptPrefix.length)))
        value = "mobilenet_v1";
      draw();
    },
    given(there) {
      if (there === isGiven) return;
      isGiven = there;
      if (!there && (value === told || networks.some((n) => n.name === value && !n.included)))
        value = "mobilenet_v1";
      draw();
    },
    tell() {
      value = told;
      draw();
    },
  };
}
