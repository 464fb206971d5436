/** SHA-256 of bytes that come in pieces (FIPS 180-4), which WebCrypto does not offer. */
import type { Hash } from "../platform/files.ts";

const blockBytes = 64;

/** The first 32 bits behind the point of `root` of the first primes: both tables of the standard are made so. */
function fractions(count: number, root: (prime: number) => number): Int32Array {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) if (!found.some((prime) => n % prime === 0)) found.push(n);
  return Int32Array.from(found, (prime) => (root(prime) % 1) * 2 ** 32);
}

const constants = fractions(64, Math.cbrt);

export function sha256(): Hash {
  const state = fractions(8, Math.sqrt);
  const words = new Int32Array(64);
  const held = new Uint8Array(blockBytes);
  let waiting = 0;
  let total = 0;

  /** Takes the block at `at`. */
  function take(bytes: Uint8Array, at: number): void {
    for (let i = 0, from = at; i < 16; i++, from += 4)
      words[i] = (bytes[from] << 24) | (bytes[from + 1] << 16) | (bytes[from + 2] << 8) | bytes[from + 3];
    for (let i = 16; i < 64; i++) {
      const [x, y] = [words[i - 15], words[i - 2]];
      const low = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const high = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      words[i] = words[i - 16] + low + words[i - 7] + high;
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i++) {
      const high = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const one = (h + high + ((e & f) ^ (~e & g)) + constants[i] + words[i]) | 0;
      const low = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const two = (low + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + one) | 0;
      d = c;
      c = b;
      b = a;
      a = (one + two) | 0;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
  }

  function update(bytes: Uint8Array): void {
    total += bytes.length;
    let at = 0;
    if (waiting > 0) {
      at = Math.min(blockBytes - waiting, bytes.length);
      held.set(bytes.subarray(0, at), waiting);
      waiting += at;
      if (waiting < blockBytes) return;
      take(held, 0);
    }
    for (; at + blockBytes <= bytes.length; at += blockBytes) take(bytes, at);
    held.set(bytes.subarray(at));
    waiting = bytes.length - at;
  }

  return {
    update,
    digest() {
      const end = new Uint8Array(waiting < 56 ? 64 - waiting : 128 - waiting);
      end[0] = 0x80;
      new DataView(end.buffer).setBigUint64(end.length - 8, BigInt(total) * 8n);
      update(end);
      return [...state].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
    },
  };
}
