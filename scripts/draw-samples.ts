/**
 * Draws the sample images, the same pixels each time: `node --import tsx scripts/draw-samples.ts`. Four groups that look alike
 * inside (bubbles, weave, hills, towers), in the formats and with the oddities that a folder of photographs has.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { seededUnits } from "../src/seeded.ts";

interface Sample {
  readonly file: string;
  readonly group: keyof typeof groups;
  readonly width: number;
  readonly height: number;
  /** Where the picture that its name draws is most like something that one would not show. */
  readonly seed?: string;
  /** What makes it special. */
  readonly oddity?: "grey" | "alpha" | "exif";
}

/** Draws of the seeded stream, one after another. */
function dice(name: string) {
  const units = seededUnits(`samples/${name}`, 4096);
  let next = 0;
  /** From `low` up to `high`. */
  return (low: number, high: number) => low + ((units[next++ % units.length] + 1) / 2) * (high - low);
}

type Dice = ReturnType<typeof dice>;
type Painter = (roll: Dice, width: number, height: number) => string;

const times = (n: number, part: (i: number) => string) =>
  Array.from({ length: n }, (_, i) => part(i)).join("");
const hsl = (h: number, s: number, l: number) => `hsl(${h.toFixed(0)},${s.toFixed(0)}%,${l.toFixed(0)}%)`;

const bubbles: Painter = (roll, w, h) => {
  const hue = roll(180, 220);
  return `<defs><linearGradient id="sky" x2="0.4" y2="1"><stop stop-color="${hsl(hue, 70, 80)}"/><stop offset="1" stop-color="${hsl(hue + 30, 60, 30)}"/></linearGradient>
<radialGradient id="ball" cx="0.35" cy="0.3"><stop stop-color="white" stop-opacity="0.9"/><stop offset="0.3" stop-color="${hsl(hue - 10, 80, 75)}" stop-opacity="0.45"/><stop offset="0.9" stop-color="${hsl(hue + 60, 70, 60)}" stop-opacity="0.35"/><stop offset="1" stop-color="white" stop-opacity="0.7"/></radialGradient></defs>
<rect width="${w}" height="${h}" fill="url(#sky)"/>${times(
    45,
    () => `<circle cx="${roll(0, w)}" cy="${roll(0, h)}" r="${roll(3, 46)}" fill="url(#ball)"/>`,
  )}`;
};

const weave: Painter = (roll, w, h) => {
  const step = roll(13, 22);
  const hue = roll(10, 45);
  const columns = Math.ceil(w / step) + 1;
  const rows = Math.ceil(h / step) + 1;
  return `<rect width="${w}" height="${h}" fill="${hsl(hue, 40, 18)}"/>${times(columns * rows, (i) => {
    const [x, y] = [(i % columns) * step, Math.floor(i / columns) * step];
    const over = ((i % columns) + Math.floor(i / columns)) % 2 === 0;
    const [dx, dy] = over ? [step * 1.15, step * 0.72] : [step * 0.72, step * 1.15];
    return `<rect x="${x}" y="${y}" width="${dx}" height="${dy}" rx="${step / 5}" fill="${hsl(hue + roll(-8, 14), roll(45, 65), roll(38, 62))}" stroke="${hsl(hue, 50, 22)}"/>`;
  })}`;
};

const hills: Painter = (roll, w, h) => {
  const ridge = (level: number, rough: number) => {
    const phase = roll(0, 6);
    const waves = [roll(1, 2), roll(3, 5), roll(8, 13)];
    const points = Array.from({ length: 61 }, (_, i) => {
      const x = i / 60;
      const y = waves.reduce(
        (sum, f, k) => sum + Math.sin(f * x * 6.28 + phase * (k + 1)) / (k + 1) ** 1.5,
        0,
      );
      return `${(x * w).toFixed(1)},${(h * (level + rough * y) + roll(-1, 1)).toFixed(1)}`;
    });
    return `${points.join(" ")} ${w},${h} 0,${h}`;
  };
  const hue = roll(85, 140);
  return `<defs><linearGradient id="dusk" x2="0" y2="1"><stop stop-color="${hsl(roll(205, 230), 65, 55)}"/><stop offset="1" stop-color="${hsl(30, 85, 85)}"/></linearGradient></defs>
<rect width="${w}" height="${h}" fill="url(#dusk)"/><circle cx="${roll(w * 0.2, w * 0.8)}" cy="${h * 0.28}" r="${h * 0.07}" fill="#fff6d8"/>${times(
    5,
    (i) =>
      `<polygon points="${ridge(0.42 + i * 0.12, 0.06)}" fill="${hsl(hue - 8 * i, 25 + 8 * i, 62 - 10 * i)}"/>`,
  )}${times(90, () => {
    const [x, y, s] = [roll(0, w), roll(h * 0.8, h), roll(4, 11)];
    return `<polygon points="${x},${y - 2 * s} ${x - s / 2},${y} ${x + s / 2},${y}" fill="${hsl(hue, 45, roll(12, 24))}"/>`;
  })}`;
};

const towers: Painter = (roll, w, h) => {
  const hue = roll(225, 260);
  let x = -10;
  let out = `<defs><linearGradient id="night" x2="0" y2="1"><stop stop-color="${hsl(hue, 60, 10)}"/><stop offset="1" stop-color="${hsl(hue + 70, 55, 45)}"/></linearGradient></defs><rect width="${w}" height="${h}" fill="url(#night)"/>`;
  while (x < w) {
    const width = roll(24, 52);
    const top = roll(h * 0.12, h * 0.6);
    out += `<rect x="${x}" y="${top}" width="${width}" height="${h}" fill="${hsl(hue, 18, roll(10, 22))}"/>`;
    for (let y = top + 6; y < h - 4; y += 9) {
      for (let c = x + 4; c < x + width - 6; c += 8) {
        if (roll(0, 1) > 0.42)
          out += `<rect x="${c}" y="${y}" width="4.5" height="5.5" fill="${hsl(roll(38, 56), 90, roll(55, 82))}"/>`;
      }
    }
    x += width + roll(-6, 5);
  }
  return out;
};

const groups = { bubbles, weave, hills, towers };

const samples: readonly Sample[] = [
  { file: "bubbles_01.jpg", seed: "bubbles_01.2", group: "bubbles", width: 320, height: 240 },
  { file: "bubbles_02.png", group: "bubbles", width: 240, height: 240, oddity: "alpha" },
  { file: "bubbles_03.jpg", group: "bubbles", width: 400, height: 260 },
  { file: "bubbles_04.bmp", group: "bubbles", width: 224, height: 224 },
  { file: "hills_01.jpg", group: "hills", width: 400, height: 225 },
  { file: "hills_02.jpg", group: "hills", width: 320, height: 240, oddity: "exif" },
  { file: "hills_03.png", group: "hills", width: 300, height: 220 },
  { file: "more/hills_04.JPG", group: "hills", width: 360, height: 240 },
  { file: "more/towers_05.jpeg", group: "towers", width: 280, height: 380 },
  { file: "towers_01.jpg", group: "towers", width: 240, height: 320 },
  { file: "towers_02.png", group: "towers", width: 220, height: 260, oddity: "grey" },
  { file: "towers_03.jpg", group: "towers", width: 320, height: 320 },
  { file: "towers_04.jpg", group: "towers", width: 260, height: 390 },
  { file: "weave_01.jpg", group: "weave", width: 300, height: 300 },
  { file: "weave_02.bmp", group: "weave", width: 200, height: 230 },
  { file: "weave_03.png", group: "weave", width: 240, height: 200 },
  { file: "weave_04.jpg", group: "weave", width: 380, height: 280 },
];

/** Grain, as a camera's sensor gives it. */
async function paint({ file, group, width, height, seed = file }: Sample): Promise<Buffer> {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${groups[group](dice(seed), width, height)}</svg>`;
  const rgb = await sharp(Buffer.from(svg)).removeAlpha().raw().toBuffer();
  const grain = seededUnits(`samples/grain/${file}`, rgb.length);
  return Buffer.from(rgb.map((v, i) => Math.max(0, Math.min(255, Math.round(v + 5 * grain[i])))));
}

/** A 24-bit bitmap: rows from the bottom, blue first, each padded to four bytes. */
function bmp(rgb: Buffer, width: number, height: number): Buffer {
  const stride = Math.ceil((3 * width) / 4) * 4;
  const out = Buffer.alloc(54 + stride * height);
  out.write("BM");
  for (const [at, value] of [
    [2, out.length],
    [10, 54],
    [14, 40],
    [18, width],
    [22, height],
    [34, stride * height],
  ] as const) {
    out.writeUInt32LE(value, at);
  }
  out.writeUInt16LE(1, 26);
  out.writeUInt16LE(24, 28);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = 3 * ((height - 1 - y) * width + x);
      for (let c = 0; c < 3; c++) out[54 + y * stride + 3 * x + c] = rgb[from + 2 - c];
    }
  }
  return out;
}

async function encode(sample: Sample, rgb: Buffer): Promise<Buffer> {
  const { file, width, height, oddity } = sample;
  const image = sharp(rgb, { raw: { width, height, channels: 3 } });
  if (file.endsWith(".bmp")) return bmp(rgb, width, height);
  if (oddity === "grey") return image.toColourspace("b-w").png({ compressionLevel: 9 }).toBuffer();
  if (oddity === "alpha") {
    const mask = Buffer.from(
      `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><ellipse cx="50%" cy="50%" rx="48%" ry="46%" fill="white"/></svg>`,
    );
    return image
      .ensureAlpha()
      .composite([{ input: mask, blend: "dest-in" }])
      .png({ compressionLevel: 9 })
      .toBuffer();
  }
  if (file.endsWith(".png")) return image.png({ compressionLevel: 9 }).toBuffer();
  // Orientation 6: to be turned a quarter clockwise, so the pixels are stored turned the other way.
  const stored = oddity === "exif" ? image.rotate(270).withMetadata({ orientation: 6 }) : image;
  return stored.jpeg({ quality: 88 }).toBuffer();
}

const folder = join(import.meta.dirname, "../samples");
await mkdir(join(folder, "more"), { recursive: true });
for (const sample of samples) {
  await writeFile(join(folder, sample.file), await encode(sample, await paint(sample)));
}
