/** What fingers, mice, wheels and keys do on the map. */
import type { Point } from "../camera.ts";

export interface Gestures {
  /** The map moves along with the pointer. */
  readonly pan: (dx: number, dy: number) => void;
  /** Closer by `factor` about a pixel; about the middle where none is given. */
  readonly zoom: (factor: number, at?: Point) => void;
  readonly hover: (at: Point | undefined) => void;
  /** `more` where the image is to be added to those that are listed. */
  readonly press: (at: Point, more: boolean) => void;
  readonly double: (at: Point) => void;
  /** Whether a drag with this event draws a line around images. */
  readonly isLasso: (event: PointerEvent) => boolean;
  readonly line: (points: readonly Point[], done: boolean) => void;
  /** A key that was pressed on the map; whether it meant something. */
  readonly key: (event: KeyboardEvent) => boolean;
}

/** Pixels that a press may wander. */
const slack = 5;

export function listen(surface: HTMLElement, to: Gestures): void {
  const pointers = new Map<number, Point>();
  let began: Point | undefined;
  let moved = false;
  let line: Point[] | undefined;

  const at = (event: MouseEvent): Point => {
    const { left, top } = surface.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  };
  const two = (): readonly [middle: Point, apart: number] => {
    const [a, b] = [...pointers.values()];
    return [{ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 }, Math.hypot(a.x - b.x, a.y - b.y)];
  };

  surface.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    surface.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
    if (pointers.size > 1) {
      // A second finger makes it a pinch.
      if (line) to.line([], false);
      line = undefined;
      moved = true;
      return;
    }
    began = at(event);
    moved = false;
    if (to.isLasso(event)) line = [began];
  });

  surface.addEventListener("pointermove", (event) => {
    const here = at(event);
    const before = pointers.get(event.pointerId);
    if (!before) return to.hover(here);
    if (!moved && began && Math.hypot(here.x - began.x, here.y - began.y) > slack) {
      moved = true;
      to.hover(undefined);
    }
    if (pointers.size === 2) {
      const [middle, apart] = two();
      pointers.set(event.pointerId, here);
      const [now, apartNow] = two();
      to.pan(now.x - middle.x, now.y - middle.y);
      if (apart > 0 && apartNow > 0) to.zoom(apartNow / apart, now);
      return;
    }
    pointers.set(event.pointerId, here);
    if (!moved) return;
    if (line) {
      line.push(here);
      to.line(line, false);
    } else to.pan(here.x - before.x, here.y - before.y);
  });

  const up = (event: PointerEvent) => {
    if (!pointers.delete(event.pointerId) || pointers.size > 0) return;
    const drawn = line;
    line = undefined;
    if (event.type === "pointercancel") to.line([], false);
    else if (drawn && moved) to.line(drawn, true);
    else if (!moved) to.press(at(event), event.shiftKey || event.ctrlKey || event.metaKey);
  };
  surface.addEventListener("pointerup", up);
  surface.addEventListener("pointercancel", up);
  surface.addEventListener("pointerleave", () => to.hover(undefined));
  surface.addEventListener("dblclick", (event) => to.double(at(event)));
  surface.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      // Lines and pages count as so many pixels; a pinch on a touchpad comes as a wheel with ctrl, in small steps.
      const pixels = event.deltaY * [1, 16, 400][event.deltaMode] * (event.ctrlKey ? 4 : 1);
      to.zoom(Math.exp(-Math.max(-240, Math.min(240, pixels)) / 420), at(event));
    },
    { passive: false },
  );
  surface.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey && to.key(event)) event.preventDefault();
  });
}
