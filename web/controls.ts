/** The controls that the page is made of. */
import { h } from "../src/page/view/elements.ts";
import { type Dropped, pathOf } from "./dropped.ts";

export const field = (label: string, input: HTMLElement, note?: string) =>
  h("label", { class: "field" }, h("span", {}, label), input, note !== undefined && h("small", {}, note));

export function choice(
  id: string,
  options: readonly (readonly [value: string, label: string])[],
): HTMLSelectElement {
  const select = h("select", { id });
  for (const [value, label] of options) {
    const option = h("option", {}, label);
    option.value = value;
    select.append(option);
  }
  return select;
}

export function filePicker(id: string, label: string, folders: boolean, take: (files: Dropped[]) => void) {
  const input = h("input", { type: "file", id, class: "offscreen" });
  input.multiple = true;
  if (folders) input.setAttribute("webkitdirectory", "");
  input.addEventListener("change", () => {
    take([...(input.files ?? [])].map((file) => ({ path: pathOf(file), file })));
    input.value = "";
  });
  const button = h("label", { class: "button" }, label);
  button.htmlFor = id;
  return h("span", { class: "picker" }, input, button);
}

export function button(label: string, press: () => void, kind = "button") {
  return h("button", { class: kind, type: "button", on: { click: press } }, label);
}

export const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
