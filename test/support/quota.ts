/** A disk with a quota: put in the place of `node:fs/promises` by tests. Only what is opened for writing counts. */
import type * as Files from "node:fs/promises";

type FileHandle = Files.FileHandle;

/** What the disk still takes, and what it says when that is used up; no end of room where nothing is set. */
export const disk: { room: number; code: string; written: number } = {
  room: Number.POSITIVE_INFINITY,
  code: "ENOSPC",
  written: 0,
};

export function setRoom(room: number, code = "ENOSPC"): void {
  Object.assign(disk, { room, code, written: 0 });
}

const full = () => Object.assign(new Error(`${disk.code}: planned`), { code: disk.code });

function take(wanted: number): number {
  const taken = Math.min(wanted, disk.room - disk.written);
  if (taken <= 0 && wanted > 0) throw full();
  disk.written += taken;
  return taken;
}

/** As a kernel does: what still fits is written, and only the next write fails. Flushing is left to the kernel's leisure. */
function limited(handle: FileHandle, writes: boolean): FileHandle {
  return new Proxy(handle, {
    get(target, name) {
      if (name === "sync") return async () => {};
      if (name === "write" && writes) {
        return async (bytes: Uint8Array, offset = 0, length = bytes.length - offset, position?: number) =>
          target.write(bytes, offset, take(length), position);
      }
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** The file layer with the quota before it. */
export function underQuota(real: typeof Files): typeof Files {
  return {
    ...real,
    async open(path, flags, mode) {
      const writes = flags !== undefined && flags !== "r";
      // A full disk still makes an empty file; one that may not be written does not.
      if (writes && disk.written >= disk.room && disk.code !== "ENOSPC") throw full();
      return limited(await real.open(path, flags, mode), writes);
    },
    async writeFile(path, data, options) {
      take(Buffer.byteLength(data as string));
      return real.writeFile(path, data, options);
    },
  };
}
