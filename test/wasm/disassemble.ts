/**
 * Reads a module instruction by instruction, apart from the writer's code: only instructions of the table pass, and
 * each says what follows it. SIMD instructions begin with 0xfd, which is not in the table.
 */

/** What follows an opcode: b a byte, l an LEB128 number, 4 and 8 bytes of a float. */
const following: Readonly<Record<number, string>> = {
  3: "b", // loop
  2: "b", // block
  4: "b", // if
  5: "", // else
  11: "", // end
  13: "l", // br_if
  16: "l", // call
  27: "", // select
  32: "l", // local.get
  33: "l", // local.set
  40: "ll", // loads
  42: "ll",
  43: "ll",
  54: "ll", // stores
  56: "ll",
  57: "ll",
  65: "l", // constants
  67: "4",
  68: "8",
};
/** Comparisons, arithmetic and conversions of scalars take nothing: opcodes 0x45 to 0xbf. */
const plain = (opcode: number) => opcode >= 0x45 && opcode <= 0xbf;

interface Reader {
  at: number;
  readonly bytes: Uint8Array;
}

const byte = (r: Reader): number => r.bytes[r.at++];

function number(r: Reader): number {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const b = byte(r);
    value += (b & 0x7f) * 2 ** shift;
    if (b < 128) return value;
  }
}

function opcodes(r: Reader, end: number): number[] {
  const found: number[] = [];
  while (r.at < end) {
    const opcode = byte(r);
    const rest = following[opcode] ?? (plain(opcode) ? "" : undefined);
    if (rest === undefined) throw new Error(`opcode 0x${opcode.toString(16)} at ${r.at - 1}`);
    for (const kind of rest) {
      if (kind === "l") number(r);
      else r.at += kind === "b" ? 1 : Number(kind);
    }
    found.push(opcode);
  }
  if (r.at !== end || found.at(-1) !== 0x0b) throw new Error(`a function does not end at ${end}`);
  return found;
}

/** Value types: i32, f32, f64. A vector would be 0x7b. */
const scalarTypes = [0x7f, 0x7d, 0x7c];

/**
 * The opcodes of each function of a module. @throws Error for an instruction that is not in the table, or for a local
 * that is no scalar.
 */
export function disassemble(bytes: Uint8Array): number[][] {
  const r: Reader = { at: 8, bytes };
  const functions: number[][] = [];
  while (r.at < bytes.length) {
    const section = byte(r);
    const size = number(r);
    const end = r.at + size;
    if (section === 10) {
      for (let count = number(r); count > 0; count--) {
        const bodySize = number(r);
        const bodyEnd = r.at + bodySize;
        for (let groups = number(r); groups > 0; groups--) {
          number(r);
          const type = byte(r);
          if (!scalarTypes.includes(type)) throw new Error(`a local of type 0x${type.toString(16)}`);
        }
        functions.push(opcodes(r, bodyEnd));
      }
    }
    r.at = end;
  }
  return functions;
}
