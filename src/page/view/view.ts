/** The map in an element of a page: everything but where its data come from. */
import { counted } from "../../counted.ts";
import {
  between,
  boxOf,
  type Camera,
  framed,
  type Point,
  panned,
  toMap,
  toScreen,
  zoomAbout,
} from "../camera.ts";
import type { MapData } from "../data.ts";
import { inside, placesOf } from "../places.ts";
import { matching } from "../words.ts";
import { createCanvas } from "./canvas.ts";
import { h, icon, iconButton } from "./elements.ts";
import { listen } from "./gestures.ts";
import { createLegend } from "./legend.ts";
import { createPanel } from "./panel.ts";
import { createPictures } from "./pictures.ts";
import { openSheets } from "./sheets.ts";
import { createStore } from "./store.ts";

/** How far one may go: as parts of the scale at which the whole map is seen, or at which pictures have their size. */
const zoomLimits = { least: 0.5, most: 2.5 };
const margin = 48;
const flight = 420;

const arrows: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};

/** Fills `root` with the map of `data`. What it gives back empties `root` again, for another map. */
export function createMapView(root: HTMLElement, data: MapData): () => void {
  const closing = new AbortController();
  const count = data.paths.length;
  const { xy } = data;
  const places = placesOf(xy);
  const darkness = matchMedia("(prefers-color-scheme: dark)");
  const stillness = matchMedia("(prefers-reduced-motion: reduce)");
  const store = createStore({
    tab: "image",
    current: undefined,
    listed: undefined,
    group: undefined,
    colouring: data.colourings.length > 0 ? 0 : -1,
    lasso: false,
    dark: darkness.matches,
  });
  const sheets = openSheets(data, () => {
    redraw();
    pictures.refresh();
  });
  const pictures = createPictures(data, sheets);
  const canvas = createCanvas({ data, places, sheets, store });
  const status = h("div", { class: "offscreen", role: "status", aria: { live: "polite" } });
  const tooltip = h("div", { class: "tooltip", hidden: true, aria: { hidden: true } });
  const say = (sentence: string) => {
    status.textContent = sentence;
  };

  let camera: Camera = { x: 0, y: 0, scale: 1 };
  let whole = camera;
  let hovered: number | undefined;
  let line: readonly Point[] = [];
  let due = 0;
  let flying = 0;

  function redraw(): void {
    if (due) return;
    due = requestAnimationFrame(() => {
      due = 0;
      canvas.draw({ camera, hovered, line });
    });
  }

  function look(next: Camera): void {
    camera = { ...next, scale: withinLimits(next.scale) };
    redraw();
  }

  function withinLimits(scale: number): number {
    const most = zoomLimits.most * Math.max(whole.scale, data.thumbnails.cell / data.apart);
    return Math.max(whole.scale * zoomLimits.least, Math.min(most, scale));
  }

  /** Goes to another part of the map, in sight of the way there unless motion is unwelcome. */
  function fly(to: Camera): void {
    cancelAnimationFrame(flying);
    if (stillness.matches) {
      look(to);
      return;
    }
    const from = camera;
    const start = performance.now();
    const step = (now: number) => {
      const t = Math.min(1, Math.max(0, (now - start) / flight));
      look(between(from, to, t * t * (3 - 2 * t)));
      if (t < 1) flying = requestAnimationFrame(step);
    };
    flying = requestAnimationFrame(step);
  }

  const zoom = (factor: number, at?: Point) => {
    cancelAnimationFrame(flying);
    const { width, height } = canvas.size;
    const possible = withinLimits(camera.scale * factor) / camera.scale;
    look(zoomAbout(camera, canvas.size, at ?? { x: width / 2, y: height / 2 }, possible));
  };

  /** An image under a pixel of the map. */
  function imageAt({ x, y }: Point): number | undefined {
    const reach = Math.max(8, canvas.pictureSide(camera) * 0.55) / camera.scale;
    return places.nearest(toMap(camera, canvas.size, x, y), reach);
  }

  function isInSight(image: number): boolean {
    const { x, y } = toScreen(camera, canvas.size, xy[2 * image], xy[2 * image + 1]);
    const { width, height } = canvas.size;
    return x > margin && y > margin && x < width - margin && y < height - margin;
  }

  function choose(image: number): void {
    store.set({ current: image, tab: "image" });
    const { k, indices } = data.neighbours;
    const near = k > 0 ? `; most like it: ${data.paths[indices[image * k]]}` : "";
    say(`${data.paths[image]}${near}`);
    if (!isInSight(image)) fly({ ...camera, x: xy[2 * image], y: xy[2 * image + 1] });
  }

  function list(title: string, images: readonly number[]): void {
    store.set({ listed: { title, images }, group: undefined, tab: "list" });
    say(`${title}: ${counted(images.length, "image")}`);
  }

  /** Adds an image to those that are listed, or takes it out. */
  function toggle(image: number): void {
    const before = store.state.listed?.images ?? [];
    const images = before.includes(image) ? before.filter((i) => i !== image) : [...before, image];
    if (images.length === 0) store.set({ listed: undefined, group: undefined });
    else list("Picked", images);
  }

  function setLasso(lasso: boolean): void {
    store.set({ lasso });
    if (lasso) say("Lasso: drag around images.");
  }

  const showAll = () => fly(whole);

  function back(): void {
    if (store.state.lasso) setLasso(false);
    else if (store.state.listed) {
      search.value = "";
      store.set({ listed: undefined, group: undefined });
    } else store.set({ current: undefined });
  }

  const keys: Readonly<Record<string, () => void>> = {
    "+": () => zoom(1.4),
    "=": () => zoom(1.4),
    "-": () => zoom(1 / 1.4),
    "0": showAll,
    l: () => setLasso(!store.state.lasso),
    L: () => setLasso(!store.state.lasso),
    Escape: back,
    " ": () => {
      if (store.state.current !== undefined) toggle(store.state.current);
    },
  };

  function key(event: KeyboardEvent): boolean {
    const way = arrows[event.key];
    if (way && event.shiftKey) look(panned(camera, -80 * way[0], 80 * way[1]));
    else if (way) {
      const { current } = store.state;
      const middle = places.nearest(camera, Number.POSITIVE_INFINITY);
      const next = current === undefined ? middle : places.towards(current, ...way);
      if (next !== undefined) choose(next);
    } else if (keys[event.key]) keys[event.key]();
    else return false;
    return true;
  }

  const surface = h("div", {
    class: "surface",
    role: "application",
    tabIndex: 0,
    aria: {
      label: `Map of ${counted(count, "image")}. Arrow keys go from image to image, plus and minus zoom, 0 shows all, L is the lasso, space picks an image.`,
      roledescription: "map of images",
    },
  });
  listen(surface, {
    pan: (dx, dy) => {
      cancelAnimationFrame(flying);
      look(panned(camera, dx, dy));
    },
    zoom,
    hover(at) {
      const before = hovered;
      hovered = at && imageAt(at);
      tooltip.hidden = hovered === undefined;
      if (hovered !== undefined && at) {
        tooltip.textContent = data.paths[hovered];
        const left = Math.min(at.x + 14, canvas.size.width - tooltip.offsetWidth - 8);
        tooltip.style.transform = `translate(${Math.max(8, left)}px, ${at.y + 18}px)`;
      }
      surface.classList.toggle("onimage", hovered !== undefined);
      if (before !== hovered) redraw();
    },
    press(at, more) {
      const image = imageAt(at);
      if (image === undefined) return store.set({ current: undefined });
      if (more) toggle(image);
      else choose(image);
    },
    double: (at) => zoom(2, at),
    isLasso: (event) => store.state.lasso || event.shiftKey,
    line(points, done) {
      line = done ? [] : points;
      if (done) {
        const around = points.map(({ x, y }) => toMap(camera, canvas.size, x, y));
        list("Lasso", inside(around, xy));
        setLasso(false);
      }
      redraw();
    },
    key,
  });

  const search = h("input", {
    type: "search",
    id: "search",
    placeholder: "Search names",
    aria: { label: "Search names" },
    on: {
      input: () => {
        if (search.value.trim() === "") store.set({ listed: undefined, group: undefined });
        else list(`Search: ${search.value.trim()}`, matching(data.paths, search.value));
      },
      keydown: (event) => {
        const [first] = store.state.listed?.images ?? [];
        if (event.key === "Enter" && first !== undefined) choose(first);
        if (event.key === "Escape") surface.focus();
      },
    },
  });
  search.autocomplete = "off";
  search.spellcheck = false;
  document.addEventListener(
    "keydown",
    (event) => {
      if (event.key !== "/" || event.target === search) return;
      event.preventDefault();
      search.focus();
    },
    closing,
  );

  const lasso = iconButton("lasso", "Lasso (L)", () => setLasso(!store.state.lasso));
  const tools = h(
    "div",
    { class: "tools", role: "group", aria: { label: "Map" } },
    iconButton("plus", "Zoom in (+)", () => zoom(1.5)),
    iconButton("minus", "Zoom out (−)", () => zoom(1 / 1.5)),
    iconButton("fit", "Whole map (0)", showAll),
    lasso,
  );
  store.onChange((state) => {
    lasso.setAttribute("aria-pressed", String(state.lasso));
    surface.classList.toggle("lassoing", state.lasso);
    redraw();
  });
  lasso.setAttribute("aria-pressed", "false");
  darkness.addEventListener("change", () => store.set({ dark: darkness.matches }), closing);

  const parts = { data, pictures, choose, say };
  const legend = createLegend(data, store);
  const stage = h(
    "main",
    { class: "stage" },
    ...canvas.elements,
    surface,
    tools,
    legend,
    tooltip,
    count === 0 && h("p", { class: "empty" }, "There are no images to show."),
  );
  root.classList.add("app");
  root.replaceChildren(
    h(
      "header",
      { class: "bar" },
      h("div", { class: "title" }, h("h1", {}, data.title), h("p", {}, data.about)),
      h("div", { class: "search", role: "search" }, icon("search"), search),
    ),
    stage,
    createPanel(parts, store),
    status,
  );

  const observer = new ResizeObserver(([{ contentRect }]) => {
    const before = canvas.size;
    const isWhole = camera.scale === whole.scale && camera.x === whole.x && camera.y === whole.y;
    canvas.resize({ width: contentRect.width, height: contentRect.height });
    const covered = legend?.open ? legend.offsetWidth : 0;
    const room = contentRect.width > 3 * covered ? covered : 0;
    whole = framed(boxOf(xy), canvas.size, Math.min(margin, contentRect.width / 10), room);
    if (count === 1) whole = { ...whole, scale: canvas.size.width };
    if (isWhole || before.width <= 1) camera = whole;
    // At once, since a canvas that was resized is blank.
    canvas.draw({ camera, hovered, line });
  });
  observer.observe(stage);
  return () => {
    closing.abort();
    observer.disconnect();
    cancelAnimationFrame(flying);
    cancelAnimationFrame(due);
    root.replaceChildren();
  };
}
