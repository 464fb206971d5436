/** What stands in the panel's tabs. */
import { counted } from "../../counted.ts";
import type { MapData } from "../data.ts";
import { csvText, nameOfPath, pathsText, shortNumber } from "../words.ts";
import { type Child, copy, h, save } from "./elements.ts";
import type { PictureOptions, Pictures } from "./pictures.ts";
import { narrow, type State, type Tab } from "./store.ts";
import { groupTint } from "./tints.ts";

export interface ContentParts {
  readonly data: MapData;
  readonly pictures: Pictures;
  /** Shows an image and its neighbours. */
  readonly choose: (image: number) => void;
  /** Says something to those who do not see it. */
  readonly say: (sentence: string) => void;
}

type Content = (parts: ContentParts, state: State) => readonly Child[];

/** So many pictures of a list are shown at first, and more with each press of a button. */
const atOnce = 120;

/** Pictures, not too many of them at a time. */
function grid(
  { pictures, choose }: ContentParts,
  items: readonly Omit<PictureOptions, "press">[],
): HTMLElement {
  const list = h("ul", { class: "grid" });
  const more = h("button", { class: "button wide", type: "button" });
  let shown = 0;
  const show = () => {
    const next = items.slice(shown, shown + atOnce);
    list.append(...next.map((item) => h("li", {}, pictures.button({ ...item, press: choose }))));
    shown += next.length;
    more.textContent = `Show more (${counted(items.length - shown, "image")} left)`;
    more.hidden = shown >= items.length;
  };
  more.addEventListener("click", show);
  show();
  return h("div", {}, list, more);
}

const empty = (title: string, text: string) =>
  h("div", { class: "empty" }, h("strong", {}, title), h("p", {}, text));

/** Buttons that hand over the paths of images. */
function saving({ data, say }: ContentParts, name: string, images: readonly number[]): HTMLElement {
  const button = (text: string, press: () => void) =>
    h("button", { class: "button", type: "button", on: { click: press } }, text);
  const copying = button("Copy paths", async () => {
    const done = await copy(pathsText(data, images));
    copying.textContent = done ? "Copied" : "Not allowed";
    say(done ? `${counted(images.length, "path")} copied.` : "Copying is not allowed here.");
    setTimeout(() => {
      copying.textContent = "Copy paths";
    }, 1600);
  });
  return h(
    "div",
    { class: "saving", role: "group", aria: { label: "Save the list" } },
    button("Save list", () => save(`${name}.txt`, pathsText(data, images), "text/plain")),
    button("Save CSV", () => save(`${name}.csv`, csvText(data, images), "text/csv")),
    copying,
  );
}

const imageContent: Content = (parts, { current, dark }) => {
  const { data, pictures } = parts;
  if (current === undefined) {
    return [
      empty(
        "No image chosen",
        "Click a picture, or go from one to the next with the arrow keys, to see what is most like it.",
      ),
      h(
        "dl",
        { class: "keys" },
        ...[
          ["arrows", "next image that way"],
          ["+ and −", "zoom"],
          ["0", "whole map"],
          ["L", "lasso: draw around images"],
          ["/", "search"],
          ["Esc", "back"],
        ].flatMap(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)]),
      ),
      ...data.notes.map((note) => h("p", { class: "remark" }, note)),
    ];
  }
  const { k, indices, distances } = data.neighbours;
  const path = data.paths[current];
  const folder = path.slice(0, path.length - nameOfPath(path).length);
  const facts = data.colourings.flatMap(({ name, groups, of }) => {
    const group = of[current];
    if (group < 0) return [];
    const swatch = h("span", { class: "swatch", aria: { hidden: true } });
    swatch.style.background = groupTint(group, dark);
    return [h("dt", {}, name), h("dd", {}, swatch, groups[group])];
  });
  return [
    h(
      "div",
      { class: "chosen" },
      pictures.canvas(current, innerWidth < narrow ? 96 : 176, "none"),
      h("h2", {}, nameOfPath(path)),
      folder !== "" && h("p", { class: "folder" }, folder),
      facts.length > 0 && h("dl", { class: "facts" }, ...facts),
    ),
    k > 0 && h("h3", {}, "Most like it"),
    k > 0 &&
      grid(
        parts,
        Array.from(indices.subarray(current * k, (current + 1) * k), (image, i) => ({
          image,
          note: shortNumber(distances[current * k + i]),
        })),
      ),
  ];
};

const listContent: Content = (parts, { listed }) => {
  if (!listed) {
    return [
      empty(
        "Nothing listed",
        "Draw around images with the lasso, search for a name, or press a group of the legend. Their paths can be saved from here.",
      ),
    ];
  }
  const { title, images } = listed;
  if (images.length === 0) return [h("h2", {}, title), empty("No images", "Nothing fits. Try other words.")];
  return [
    h("h2", {}, title),
    h("p", { class: "count" }, counted(images.length, "image")),
    saving(parts, "images", images),
    grid(
      parts,
      images.map((image) => ({ image })),
    ),
  ];
};

const duplicatesContent: Content = (parts) => {
  const { data, pictures, choose } = parts;
  const groups = data.duplicates;
  if (groups.length === 0) {
    return [empty("No duplicates", "No two images are the same, or so nearly the same that one would do.")];
  }
  const others = groups.flatMap(({ images }) => images.slice(1));
  return [
    h("h2", {}, counted(groups.length, "group")),
    h(
      "p",
      { class: "count" },
      `${counted(others.length, "image")} could go; the first of each group is the one to keep. The list names the others.`,
    ),
    saving(parts, "duplicates", others),
    ...groups
      .slice(0, atOnce)
      .map(({ kind, images, distance }) =>
        h(
          "section",
          { class: "group" },
          h("h3", {}, kind, distance !== undefined && ` (up to ${shortNumber(distance)} apart)`),
          h(
            "ul",
            { class: "grid" },
            ...images
              .slice(0, 12)
              .map((image, i) =>
                h("li", {}, pictures.button({ image, note: i === 0 ? "keep" : undefined, press: choose })),
              ),
          ),
          images.length > 12 && h("p", { class: "count" }, `and ${images.length - 12} more`),
        ),
      ),
    groups.length > atOnce &&
      h(
        "p",
        { class: "count" },
        `and ${counted(groups.length - atOnce, "more group", "more groups")}: the list has them all`,
      ),
  ];
};

const outliersContent: Content = (parts) => {
  const { outliers } = parts.data;
  if (outliers.length === 0) return [empty("No outliers", "Every image has others like it.")];
  return [
    h("h2", {}, "Least like any other"),
    h("p", { class: "count" }, "The farthest first, with the distance to those nearest to each."),
    saving(
      parts,
      "outliers",
      outliers.map(({ image }) => image),
    ),
    grid(
      parts,
      outliers.map(({ image, distance }) => ({ image, note: shortNumber(distance) })),
    ),
  ];
};

export const contents: Readonly<Record<Tab, Content>> = {
  image: imageContent,
  list: listContent,
  duplicates: duplicatesContent,
  outliers: outliersContent,
};
