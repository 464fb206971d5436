/** The coefficients of a JPEG's blocks, by the scans that carry them (libjpeg-turbo's jdhuff.c and jdphuff.c). */
import { type Bits, type Codes, restart, symbol, take, takeSigned } from "./jpeg-decode-bits.ts";

/** A component of a picture, in blocks of 8 x 8. */
export interface Component {
  readonly id: number;
  /** Blocks in a unit of a scan of several components, across and down. */
  readonly across: number;
  readonly down: number;
  /** The blocks that are part of the picture. */
  readonly wide: number;
  readonly high: number;
  /** The blocks of a row in memory. */
  readonly stride: number;
}

/** What a scan has of a component. */
export interface Part {
  readonly component: Component;
  readonly dc?: Codes;
  readonly ac?: Codes;
  /** Where the coefficients of the block at a place are read to, and what is done with them then. */
  block(index: number): Int16Array;
  done?(index: number, last: number): void;
  /** The DC value of the block before. */
  before: number;
}

/** From which coefficient to which, and of which bits: `high` is 0 in the first scan of a coefficient, `low` the bit it stops at. */
export interface Band {
  readonly first: number;
  readonly last: number;
  readonly high: number;
  readonly low: number;
}

/** The place of a coefficient by its number in a file. Those behind the last are a damaged file's. */
export const zigzag = Uint8Array.from([
  0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46,
  53, 60, 61, 54, 47, 55, 62, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63,
]);

/** Reads a block of a scan; gives the number of its last coefficient. */
type ReadBlock = (bits: Bits, part: Part, block: Int16Array) => number;

const sequential: ReadBlock = (bits, part, block) => {
  const ac = part.ac as Codes;
  part.before += takeSigned(bits, symbol(bits, part.dc as Codes));
  block[0] = part.before;
  let last = 0;
  for (let k = 1; k < 64; k++) {
    const both = symbol(bits, ac);
    const size = both & 15;
    k += both >> 4;
    if (size > 0) {
      block[zigzag[k]] = takeSigned(bits, size);
      last = k;
    } else if (both !== 0xf0) break;
  }
  return last;
};

/** How a scan of a progressive file reads its blocks. */
function progressive({ first, last, high, low }: Band): ReadBlock {
  if (first === 0) {
    if (high > 0)
      return (bits, _, block) => {
        if (take(bits, 1)) block[0] |= 1 << low;
        return 63;
      };
    return (bits, part, block) => {
      part.before += takeSigned(bits, symbol(bits, part.dc as Codes));
      block[0] = part.before << low;
      return 63;
    };
  }
  return high === 0 ? firstBits(first, last, low) : moreBits(first, last, low);
}

/** A run of blocks that end here; a restart ends it. */
interface Run {
  left: number;
}

const readRun = (bits: Bits, size: number): number => (1 << size) + (size ? take(bits, size) : 0);

/** Blocks that end run over from one to the next, so that such a reader is for one scan, and starts anew at each restart. */
interface RunReader {
  (bits: Bits, part: Part, block: Int16Array): number;
  run?: Run;
}

function firstBits(first: number, last: number, low: number): RunReader {
  const run: Run = { left: 0 };
  const read: RunReader = (bits, part, block) => {
    if (run.left > 0) {
      run.left--;
      return 63;
    }
    const ac = part.ac as Codes;
    for (let k = first; k <= last; k++) {
      const both = symbol(bits, ac);
      const size = both & 15;
      const zeros = both >> 4;
      if (size > 0) {
        k += zeros;
        block[zigzag[k]] = takeSigned(bits, size) << low;
      } else if (zeros === 15) k += 15;
      else {
        run.left = readRun(bits, zeros) - 1;
        break;
      }
    }
    return 63;
  };
  read.run = run;
  return read;
}

function moreBits(first: number, last: number, low: number): RunReader {
  const run: Run = { left: 0 };
  const [plus, minus] = [1 << low, -1 << low];

  /** The next bit of a coefficient that is there already. */
  const refine = (bits: Bits, block: Int16Array, at: number): void => {
    if (take(bits, 1) && (block[at] & plus) === 0) block[at] += block[at] >= 0 ? plus : minus;
  };

  const read: RunReader = (bits, part, block) => {
    const ac = part.ac as Codes;
    let k = first;
    if (run.left === 0) {
      for (; k <= last; k++) {
        const both = symbol(bits, ac);
        let zeros = both >> 4;
        let value = 0;
        if ((both & 15) !== 0) {
          if ((both & 15) !== 1) bits.doubtful = true;
          value = take(bits, 1) ? plus : minus;
        } else if (zeros !== 15) {
          run.left = readRun(bits, zeros);
          break;
        }
        for (; k <= last; k++) {
          const at = zigzag[k];
          if (block[at] !== 0) refine(bits, block, at);
          else if (--zeros < 0) break;
        }
        if (value !== 0) block[zigzag[k]] = value;
      }
    }
    if (run.left > 0) {
      for (; k <= last; k++) {
        const at = zigzag[k];
        if (block[at] !== 0) refine(bits, block, at);
      }
      run.left--;
    }
    return 63;
  };
  read.run = run;
  return read;
}

/** Reads a scan: all its blocks, in units of all its components, with a restart after every `interval` of them. */
export function readScan(
  bits: Bits,
  parts: readonly Part[],
  {
    band,
    interval,
    units,
  }: { readonly band?: Band; readonly interval: number; readonly units: readonly [number, number] },
): void {
  const read: RunReader = band ? progressive(band) : sequential;
  const one = parts.length === 1 ? parts[0].component : undefined;
  const [wide, high] = one ? [one.wide, one.high] : units;
  let left = interval;
  let number = 0;
  for (let y = 0; y < high; y++) {
    for (let x = 0; x < wide; x++) {
      if (interval > 0 && left === 0) {
        restart(bits, number);
        number = (number + 1) & 7;
        left = interval;
        for (const part of parts) part.before = 0;
        if (read.run) read.run.left = 0;
      }
      left--;
      // What the data end in is read to the end of its unit; units behind it are left as they are.
      const skip = bits.spent;
      for (const part of parts) {
        const { across, down, stride } = part.component;
        for (let v = 0; v < (one ? 1 : down); v++) {
          for (let h = 0; h < (one ? 1 : across); h++) {
            const index = one ? y * stride + x : (y * down + v) * stride + x * across + h;
            const block = part.block(index);
            const last = skip ? 0 : read(bits, part, block);
            part.done?.(index, last);
          }
        }
      }
    }
  }
}
