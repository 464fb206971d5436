/** Many pictures of a few: pieces of them, in a folder for each. */
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join, parse } from "node:path";
import sharp from "sharp";
import { decodeImage } from "../../src/index.ts";
import { seededUnits } from "../../src/seeded.ts";

/** Pieces of each picture of some names in a folder, of two fifths to all of its shorter side. */
export async function cutUp(folder: string, names: RegExp, count: number, into: string): Promise<void> {
  for (const name of (await readdir(folder)).filter((n) => names.test(n))) {
    const { data, width, height } = await decodeImage(join(folder, name));
    const units = seededUnits(`map/${name}`, 4 * count).map((v) => (v + 1) / 2);
    for (let i = 0; i < count; i++) {
      const [u, v, w, h] = units.subarray(4 * i, 4 * i + 4);
      const shorter = Math.min(width, height) * (0.45 + 0.55 * w);
      const [across, down] = h > 0.6 ? [shorter, shorter * 0.75] : [shorter * 0.8, shorter];
      const piece = sharp(data, { raw: { width, height, channels: 3 } }).extract({
        left: Math.floor(u * (width - across)),
        top: Math.floor(v * (height - down)),
        width: Math.floor(across),
        height: Math.floor(down),
      });
      const path = join(into, parse(name).name.replace(/_\d+$/, ""));
      await mkdir(path, { recursive: true });
      const bytes = await piece.resize(320, 320, { fit: "inside" }).jpeg({ quality: 90 }).toBuffer();
      await writeFile(join(path, `${parse(name).name}-${String(i + 1).padStart(2, "0")}.jpg`), bytes);
    }
  }
}
