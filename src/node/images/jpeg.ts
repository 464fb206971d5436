/**
 * JPEG by TensorFlow's default method: libjpeg-turbo's fast integer transform with fancy upsampling
 * (tensorflow/core/lib/jpeg/jpeg_mem.cc), bit for bit.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { builtUrl, requireOwn } from "../../bundle.mjs";
import type { FastJpeg, FastPixels, Room } from "../../platform/decoder.ts";

type Turbo = Pick<typeof import("@julusian/jpeg-turbo"), "decompressSync" | "FORMAT_RGB">;

/** The binaries of the package @julusian/jpeg-turbo, which are copied as the program is built. */
function loadTurbo(): Turbo | undefined {
  const { platform, arch } = process;
  const libc = platform === "linux" && existsSync("/etc/alpine-release") ? "-musl" : "";
  const binary = builtUrl(`jpeg-turbo/jpeg-turbo-${platform}-${arch}${libc}/node-napi-v7.node`);
  try {
    return requireOwn(fileURLToPath(binary)) as Turbo;
  } catch {
    return undefined;
  }
}

const turbo = loadTurbo();

/** The decoder of `Decoder.fastJpeg`; undefined where there is none for this platform. */
export const fastJpeg: FastJpeg | undefined =
  turbo && ((bytes, size, room) => decode(turbo, bytes, size, room));

function decode(
  decoder: Turbo,
  bytes: Uint8Array,
  { width, height }: { readonly width: number; readonly height: number },
  room: Room,
): FastPixels | undefined {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const into = (data: Uint8Array): boolean => {
    try {
      decoder.decompressSync(file, Buffer.from(data.buffer, data.byteOffset, data.length), {
        format: decoder.FORMAT_RGB,
      });
      return true;
    } catch {
      return false;
    }
  };
  const data = room(3 * width * height);
  if (into(data)) return { data, doubtful: false };
  // Warnings and errors come alike. After a warning every byte is written, whatever was there before.
  const again = new Uint8Array(data.length).fill(255);
  into(data.fill(0));
  into(again);
  return Buffer.compare(data, again) === 0 ? { data, doubtful: true } : undefined;
}
