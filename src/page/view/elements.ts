/** Elements of the page, made in one expression. Texts become text, never HTML. */

export type Child = Node | string | undefined | false;

export interface Properties {
  readonly class?: string;
  readonly id?: string;
  readonly title?: string;
  readonly role?: string;
  readonly type?: string;
  readonly placeholder?: string;
  readonly hidden?: boolean;
  readonly disabled?: boolean;
  readonly tabIndex?: number;
  /** Attributes of the kind aria-...: the part behind the dash. */
  readonly aria?: Readonly<Record<string, string | number | boolean>>;
  readonly on?: { readonly [K in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[K]) => void };
}

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  { class: className, role, aria = {}, on = {}, ...properties }: Properties = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className !== undefined) element.className = className;
  if (role !== undefined) element.setAttribute("role", role);
  for (const [name, value] of Object.entries(aria)) element.setAttribute(`aria-${name}`, String(value));
  for (const [name, value] of Object.entries(properties)) {
    if (value !== undefined) Object.assign(element, { [name]: value });
  }
  for (const [name, listener] of Object.entries(on))
    element.addEventListener(name, listener as EventListener);
  element.append(...children.filter((child) => child !== undefined && child !== false));
  return element;
}

/** Drawings of 20 x 20 of which buttons are made: strokes, no fills. */
const icons = {
  plus: "M10 4v12M4 10h12",
  minus: "M4 10h12",
  fit: "M3 7V3h4M13 3h4v4M17 13v4h-4M7 17H3v-4",
  lasso:
    "M10 3.5c4 0 7 2 7 4.8s-3 4.8-7 4.8-7-2-7-4.8 3-4.8 7-4.8zM6 12.8c-1.6 1-1.4 3 .4 3.2 1.2.1 1.2 1.2.4 2",
  search: "M9 3a6 6 0 1 1 0 12A6 6 0 0 1 9 3zM13.5 13.5 17 17",
  close: "M5 5l10 10M15 5 5 15",
} as const;

export type IconName = keyof typeof icons;

export function icon(name: IconName): SVGElement {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "icon");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", icons[name]);
  svg.append(path);
  return svg;
}

/** A button with a drawing and a name. */
export const iconButton = (name: IconName, label: string, press: () => void): HTMLButtonElement =>
  h(
    "button",
    { class: "tool", type: "button", title: label, aria: { label }, on: { click: press } },
    icon(name),
  );

/** Hands a text over as a file. */
export function save(name: string, text: string, type: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  const link = h("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Puts a text into the clipboard. Whether that was allowed. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h("textarea", { class: "offscreen" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
