/** Archives of numpy that came from elsewhere: read where they hold features and paths, else told what they hold. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32, deflateRawSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { UserError } from "../../src/errors.ts";
import { npyHeader } from "../../src/tables/formats/npy.ts";
import { readFeatures } from "../../src/tables/readers/index.ts";
import { itWithPython, runPython, temporaryFolder } from "../support/features.ts";
import { ownReference } from "../support/reference.ts";

const folder = temporaryFolder();
const reference = join(ownReference, "npz");

async function read(path: string) {
  const rows: [string, readonly number[], number[]][] = [];
  for await (const row of readFeatures(path)) rows.push([row.path, row.shape, Array.from(row.data)]);
  return rows;
}

function fileOf(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** A ZIP of deflated members, which may claim other sizes than they have. */
function zip(members: readonly { name: string; content: Buffer; claims?: number }[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const { name, content, claims = content.length } of members) {
    const packed = deflateRawSync(content);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50);
    local.writeUInt16LE(8, 8);
    local.writeUInt16LE(name.length, 26);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50);
    central.writeUInt16LE(8, 10);
    central.writeUInt32LE(crc32(content), 16);
    central.writeUInt32LE(packed.length, 20);
    central.writeUInt32LE(claims, 24);
    central.writeUInt16LE(name.length, 28);
    central.writeUInt32LE(at, 42);
    parts.push(local, Buffer.from(name), packed);
    directory.push(central, Buffer.from(name));
    at += 30 + name.length + packed.length;
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(Buffer.concat(directory).length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, ...directory, end]);
}

const paths = ["a.jpg", "b/é.png", "c, d.gif"];
const sevenths = (round: (x: number) => number) =>
  paths.map((_, row) => Array.from({ length: 8 }, (_, i) => round((8 * row + i) / 7)));

describe("an archive of numpy", () => {
  it("that savez wrote, with doubles, is read", async () => {
    expect(await read(join(reference, "savez.npz"))).toEqual(
      sevenths((x) => x).map((values, i) => [paths[i], [8], values]),
    );
  });

  it("that savez_compressed wrote, with big-endian floats, bytes for paths, and another array, is read", async () => {
    expect(await read(join(reference, "savez_compressed.npz"))).toEqual(
      sevenths(Math.fround).map((values, i) => [paths[i], [2, 2, 2], values]),
    );
  });

  itWithPython("is read or refused by what its arrays are", async () => {
    const cases: readonly (readonly [arrays: string, expected: RegExp | readonly unknown[]])[] = [
      [
        "features=f, paths=p",
        [
          ["x.jpg", [2], [1, 2]],
          ["yy.jpg", [2], [3, 4]],
        ],
      ],
      [
        "features=f.astype('f2'), paths=p",
        [
          ["x.jpg", [2], [1, 2]],
          ["yy.jpg", [2], [3, 4]],
        ],
      ],
      [
        "features=f, paths=p.astype('>U9')",
        [
          ["x.jpg", [2], [1, 2]],
          ["yy.jpg", [2], [3, 4]],
        ],
      ],
      [
        "features=f.astype('i1'), paths=p, scale=0.5",
        [
          ["x.jpg", [2], [0.5, 1]],
          ["yy.jpg", [2], [1.5, 2]],
        ],
      ],
      ["features=f.astype('i1'), paths=p", /whole numbers of eight bits/],
      ["features=f.astype('i8'), paths=p", /type <i8, not floats/],
      ["features=np.asfortranarray(f), paths=p", /Fortran order/],
      ["features=f, paths=p.astype(object)", /type \|O, not text/],
      ["features=f, paths=np.arange(2)", /type <i8, not text/],
      ["features=f, paths=p[:1]", /2 rows of features and 1 paths/],
      ["features=f", /the arrays features, not features and paths/],
      ["x_train=f, y_train=p", /the arrays x_train, y_train, not features and paths/],
      ["f, p", /the arrays arr_0, arr_1/],
    ];
    for (const save of ["savez", "savez_compressed"]) {
      for (const [arrays, expected] of cases) {
        const path = join(folder, "case.npz");
        runPython(
          `import sys, numpy as np
f = np.array([[1, 2], [3, 4]], 'f4'); p = np.array(['x.jpg', 'yy.jpg'])
np.${save}(sys.argv[1], ${arrays})
print(0)`,
          path,
        );
        if (expected instanceof RegExp)
          await expect(read(path), `${save} ${arrays}`).rejects.toThrow(expected);
        else expect(await read(path), `${save} ${arrays}`).toEqual(expected);
      }
    }
  });

  it.each(["savez.npz", "savez_compressed.npz"])(
    "%s cut or changed anywhere is refused, or gives the same",
    async (name) => {
      const whole = readFileSync(join(reference, name));
      const truth = await read(join(reference, name));
      for (let at = 0; at < whole.length; at += 3) {
        await expect(read(fileOf("cut.npz", whole.subarray(0, at))), `cut at ${at}`).rejects.toThrow(
          UserError,
        );
        const changed = Buffer.from(whole);
        changed[at] ^= 0x11;
        const outcome = await read(fileOf("changed.npz", changed)).catch((error: unknown) => error);
        if (!(outcome instanceof UserError)) expect(outcome, `changed at ${at}`).toEqual(truth);
      }
    },
  );

  it("that claims a row of more than memory is refused before it is unpacked", async () => {
    const names = Buffer.concat([npyHeader("<U1", [1]), Buffer.from(Uint32Array.of(97).buffer)]);
    const header = Buffer.from(npyHeader("<f4", [1, 2 ** 29]));
    const content = Buffer.concat([header, Buffer.alloc(2 ** 20)]);
    const bomb = zip([
      { name: "features.npy", content, claims: header.length + 2 ** 31 },
      { name: "paths.npy", content: names },
    ]);
    await expect(read(fileOf("bomb.npz", bomb))).rejects.toThrow(/a row is too long/);
  });

  it.each<[string, string, RegExp]>([
    ["of an office program", "[Content_Types].xml", /office program/],
    ["of anything else", "photo.jpg", /no arrays of numpy/],
  ])("%s is told what it is", async (_, name, what) => {
    await expect(read(fileOf("other.zip", zip([{ name, content: Buffer.from("x") }])))).rejects.toThrow(what);
  });
});
