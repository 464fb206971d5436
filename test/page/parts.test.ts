/** What a map's page is made of, without a browser. */
import { describe, expect, it } from "vitest";
import { counted } from "../../src/counted.ts";
import { between, boxOf, type Camera, framed, toMap, toScreen, zoomAbout } from "../../src/page/camera.ts";
import { groupColour } from "../../src/page/colours.ts";
import type { MapData } from "../../src/page/data.ts";
import { packData, unpackData } from "../../src/page/packed.ts";
import { mapPage } from "../../src/page/page.ts";
import { inside, placesOf } from "../../src/page/places.ts";
import { spread } from "../../src/page/spread.ts";
import { csvText, matching, nameOfPath, pathsText, shortNumber } from "../../src/page/words.ts";
import { seededUnits } from "../../src/seeded.ts";

const evil = "</script><img src=x onerror=alert(1)><!-- & \"'";

const data: MapData = {
  title: `cats ${evil}`,
  about: "2 images",
  notes: [],
  paths: [`a/${evil}.jpg`, 'b/x, "y".jpg'],
  xy: Float32Array.of(0.5, -1.25, 3, 4),
  apart: 0.5,
  neighbours: { k: 1, indices: Int32Array.of(1, 0), distances: Float32Array.of(0.25, 0.25) },
  colourings: [{ name: "Folder", groups: ["a", "b"], of: Int32Array.of(0, -1) }],
  duplicates: [],
  outliers: [{ image: 0, distance: 0.25 }],
  thumbnails: {
    cell: 64,
    columns: 2,
    perSheet: 4,
    sheets: ["data:,"],
    slots: Int32Array.of(0, -1),
    sizes: Uint8Array.of(64, 32, 0, 0),
  },
};

describe("the page's data", () => {
  it("come out as they went in", () => {
    expect(unpackData(packData(data))).toEqual(data);
    const part = { ...data, xy: new Float32Array([9, 0.5, 1, 2, 3]).subarray(1) };
    expect(unpackData(packData(part)).xy).toEqual(Float32Array.of(0.5, 1, 2, 3));
  });

  it("hold no sign that HTML knows", () => {
    expect(packData(data)).not.toMatch(/[<>&]/);
  });
});

describe("the page", () => {
  const part = (text: string) => ({ text, sha256: `${text}=` });
  const html = mapPage(data, { script: part("run()"), style: part("a{}") });

  it("lets nothing in but its own script and style", () => {
    const [, policy] = /Content-Security-Policy" content="([^"]+)"/.exec(html) ?? [];
    expect(policy?.split("; ")).toEqual([
      "default-src 'none'",
      "script-src 'sha256-run()='",
      "style-src 'sha256-a{}='",
      "img-src 'self' data: blob:",
      "base-uri 'none'",
      "form-action 'none'",
    ]);
  });

  it("shows names as text", () => {
    expect(html.match(/<\/script>/g)).toHaveLength(2);
    expect(html).not.toContain("<img");
    expect(html).toContain(
      "<title>cats &lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;&lt;!-- &amp; &quot;",
    );
  });
});

describe("the camera", () => {
  const size = { width: 800, height: 600 };
  const camera: Camera = { x: 3, y: -2, scale: 50 };

  it("goes to the screen and back", () => {
    const { x, y } = toScreen(camera, size, 5, 1);
    expect([x, y]).toEqual([500, 150]);
    expect(toMap(camera, size, x, y)).toEqual({ x: 5, y: 1 });
  });

  it("keeps the place under the pointer when it goes closer", () => {
    const at = { x: 120, y: 500 };
    const closer = zoomAbout(camera, size, at, 2.5);
    const before = toMap(camera, size, at.x, at.y);
    const after = toMap(closer, size, at.x, at.y);
    expect(after.x).toBeCloseTo(before.x, 9);
    expect(after.y).toBeCloseTo(before.y, 9);
    expect(closer.scale).toBe(125);
  });

  it("shows a whole box beside what covers it", () => {
    const box = boxOf(Float32Array.of(0, 0, 10, 2));
    const whole = framed(box, size, 50, 100);
    expect(toScreen(whole, size, 0, 1).x).toBeCloseTo(150, 9);
    expect(toScreen(whole, size, 10, 1).x).toBeCloseTo(750, 9);
    expect(toScreen(whole, size, 10, 1).y).toBeCloseTo(300, 9);
  });

  it("flies from one place to another", () => {
    const to = { x: 0, y: 0, scale: 500 };
    expect(between(camera, to, 0)).toEqual(camera);
    const end = between(camera, to, 1);
    expect(end.x).toBeCloseTo(0, 9);
    expect(end.scale).toBeCloseTo(500, 9);
  });
});

describe("places", () => {
  const count = 500;
  const xy = seededUnits("places", 2 * count);
  const places = placesOf(xy);
  const all = Array.from({ length: count }, (_, i) => i);

  it("are found in a box", () => {
    const box = { left: -0.3, right: 0.4, low: 0.1, high: 0.9 };
    const plain = all.filter(
      (i) => xy[2 * i] >= -0.3 && xy[2 * i] <= 0.4 && xy[2 * i + 1] >= 0.1 && xy[2 * i + 1] <= 0.9,
    );
    expect(plain.length).toBeGreaterThan(20);
    expect(places.within(box)).toEqual(plain);
    expect(places.within({ left: -9, right: 9, low: -9, high: 9 })).toEqual(all);
  });

  it("are found near a point, or not at all", () => {
    const at = { x: 0.11, y: -0.2 };
    const far = (i: number) => Math.hypot(xy[2 * i] - at.x, xy[2 * i + 1] - at.y);
    const [first] = all.toSorted((a, b) => far(a) - far(b));
    expect(places.nearest(at, Number.POSITIVE_INFINITY)).toBe(first);
    expect(places.nearest(at, far(first) / 2)).toBeUndefined();
  });

  it("are found towards a side", () => {
    const cross = placesOf(Float32Array.of(0, 0, 1, 0.1, -1, 0, 0, 2, 0.1, -3, 0.9, 0.95));
    expect(cross.towards(0, 1, 0)).toBe(1);
    expect(cross.towards(0, -1, 0)).toBe(2);
    expect(cross.towards(0, 0, 1)).toBe(3);
    expect(cross.towards(0, 0, -1)).toBe(4);
    expect(cross.towards(2, -1, 0)).toBeUndefined();
  });

  it("are inside a line or outside", () => {
    const hook = [
      { x: 0, y: 0 },
      { x: 4, y: 0 },
      { x: 4, y: 4 },
      { x: 2, y: 1 },
      { x: 0, y: 4 },
    ];
    expect(inside(hook, Float32Array.of(1, 1, 2, 3, 3.5, 2, 5, 1, 2, 0.5))).toEqual([0, 2, 4]);
  });
});

describe("spreading", () => {
  it("parts what is too near, the same way each time", () => {
    const crowded = seededUnits("crowded", 600).map((v) => v ** 3);
    const { xy, apart } = spread(crowded);
    expect(spread(crowded).xy).toEqual(xy);
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 300; i++) {
      for (let j = 0; j < i; j++)
        least = Math.min(least, Math.hypot(xy[2 * i] - xy[2 * j], xy[2 * i + 1] - xy[2 * j + 1]));
    }
    expect(least).toBeGreaterThan(0.6 * apart);
  });

  it("parts images at one place, and leaves one alone", () => {
    const { xy, apart } = spread(new Float32Array(8));
    expect(Math.hypot(xy[0] - xy[2], xy[1] - xy[3])).toBeGreaterThan(0.6 * apart);
    expect([...spread(Float32Array.of(7, 7)).xy]).toEqual([0, 0]);
    expect(spread(new Float32Array(0)).xy).toHaveLength(0);
  });
});

describe("words", () => {
  it("finds names by all their words, whatever their case", () => {
    const paths = ["Cats/Old Tom.jpg", "cats/kitten.png", "dogs/tom.jpg"];
    expect(matching(paths, "TOM cats")).toEqual([0]);
    expect(matching(paths, "tom")).toEqual([0, 2]);
    expect(matching(paths, "  ")).toEqual([]);
  });

  it("saves paths as they are, and tables as CSV", () => {
    expect(pathsText(data, [1, 0])).toBe(`${data.paths[1]}\n${data.paths[0]}\n`);
    expect(csvText(data, [1])).toBe('path,folder,x,y\n"b/x, ""y"".jpg",,3,4\n');
  });

  it("tells numbers shortly", () => {
    expect([0, 100, 0.1234567, 0.1, 12345, 1e-7].map(shortNumber)).toEqual([
      "0",
      "100",
      "0.123",
      "0.1",
      "12300",
      "1e-7",
    ]);
    expect(counted(1, "image")).toBe("1 image");
    expect(counted(1797, "image")).toBe("1,797 images");
    expect(nameOfPath("a/b.jpg")).toBe("b.jpg");
  });
});

describe("colours", () => {
  it("of groups differ, on light and on dark", () => {
    for (const dark of [false, true]) {
      const colours = Array.from({ length: 24 }, (_, i) => groupColour(i, dark));
      for (const [i, a] of colours.entries()) {
        for (const b of colours.slice(0, i))
          expect(Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2])).toBeGreaterThan(20);
      }
    }
  });
});
