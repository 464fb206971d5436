/** The leaf formats, by vectors that TensorFlow's and Snappy's own code gives. */
import { describe, expect, it } from "vitest";
import { latin1 } from "../../src/bytes.ts";
import { Cursor } from "../../src/checkpoint/bytes.ts";
import { crc32c, maskCrc } from "../../src/checkpoint/crc32c.ts";
import { encodeSigned, sliceKey } from "../../src/checkpoint/ordered-code.ts";
import { fieldsOf, tensorShape } from "../../src/checkpoint/proto.ts";
import { snappyDecompress } from "../../src/checkpoint/snappy.ts";
import { CheckpointError } from "../../src/errors.ts";
import { fromHalf } from "../../src/half.ts";

const hex = (bytes: Iterable<number>) => Buffer.from([...bytes]).toString("hex");
const bytes = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");

describe("crc32c", () => {
  it("gives the known checksums, masked and not", () => {
    expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
    expect(maskCrc(0xe3069283)).toBe(0xc78ab0e5);
    expect(maskCrc(crc32c(Buffer.alloc(0)))).toBe(0xa282ead8);
  });

  it("gives those of RFC 3720, wherever the bytes lie", () => {
    const ascending = Array.from({ length: 32 }, (_, i) => i);
    for (const [bytes, sum] of [
      [Array(32).fill(0), 0x8a9136aa],
      [Array(32).fill(255), 0x62a8ab43],
      [ascending, 0x46dd794e],
      [ascending.toReversed(), 0x113fdb5c],
    ] as const) {
      for (let offset = 0; offset < 8; offset++) {
        const memory = new Uint8Array(40);
        memory.set(bytes, offset);
        expect(crc32c(memory.subarray(offset, offset + 32))).toBe(sum);
      }
    }
  });

  it("is the same in pieces", () => {
    const all = Buffer.from(Array.from({ length: 1000 }, (_, i) => (i * 37) & 255));
    for (const cut of [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 500, 983, 999])
      expect(crc32c(all.subarray(cut), crc32c(all.subarray(0, cut)))).toBe(crc32c(all));
  });
});

describe("ordered code", () => {
  it.each([
    [0, "80"],
    [2, "82"],
    [63, "bf"],
    [64, "c040"],
    [100, "c064"],
    [4096, "d000"],
    [8191, "dfff"],
    [8192, "e02000"],
    [25088, "e06200"],
    [-1, "7f"],
    [-64, "40"],
    [-65, "3fbf"],
  ])("encodes %i", (value, code) => expect(hex(encodeSigned(value))).toBe(code));

  it("makes the key of a slice", () => {
    const slice = [
      { start: 0, length: 2 },
      { start: 0, length: 2 },
    ];
    expect(hex(sliceKey("p", slice))).toBe("00700001010280828082");
    expect(hex(sliceKey("x", []))).toBe("0078000100");
  });
});

describe("snappy", () => {
  const unpack = (stream: string) => latin1(snappyDecompress(bytes(stream), "test"));

  it("unpacks literals and copies of every kind, overlapping ones byte by byte", () => {
    expect(unpack("05 10 68656c6c6f")).toBe("hello");
    expect(unpack("0a 04 6162 11 02")).toBe("ababababab".slice(0, 10));
    expect(unpack("08 04 6162 16 0200")).toBe("abababab");
    expect(unpack("08 04 6162 17 02000000")).toBe("abababab");
    expect(unpack("03 f0 02 616263")).toBe("abc");
  });

  it.each([
    ["a bomb", "ffffff7f 00 61"],
    ["a copy from before the start", "08 04 6162 16 0300"],
    ["a copy of nothing behind", "08 04 6162 16 0000"],
    ["more than it announces", "02 08 616263"],
    ["less than it announces", "05 04 6162"],
    ["a literal cut off", "05 10 6865"],
  ])("refuses %s", (_, stream) => expect(() => unpack(stream)).toThrow(CheckpointError));
});

describe("varints", () => {
  const cursor = (text: string) => new Cursor(bytes(text), "test");

  it("are read to 64 bits, negative ones as int64", () => {
    expect(cursor("ac02").varint()).toBe(300);
    expect(cursor("ffffffffffffffffff01").varint()).toBe(-1);
    expect(cursor("ffffffffffffff0f").varint()).toBe(2 ** 53 - 1);
    expect(cursor("ffffffffffffffffff01").varint64()).toBe(2n ** 64n - 1n);
  });

  it.each(["8080808080808080808001", "ffffffffffffffffff02", "80"])("refuse %s", (text) => {
    expect(() => cursor(text).varint64()).toThrow(CheckpointError);
  });

  it("refuse what numbers do not hold and what is over 32 bits", () => {
    expect(() => cursor("8080808080808010").varint()).toThrow(CheckpointError);
    expect(() => cursor("8080808010").varint32()).toThrow(CheckpointError);
  });
});

describe("protocol buffers", () => {
  it.each([
    ["a message past the end", "0a 05 00"],
    ["a group", "0b"],
    ["field 0", "00 01"],
  ])("refuse %s", (_, text) => expect(() => [...fieldsOf(bytes(text), "test")]).toThrow(CheckpointError));

  it("give an absent dimension size as 0", () =>
    expect(tensorShape(bytes("1200 12020807"), "test")).toEqual([0, 7]));

  it.each([
    ["a negative dimension", "120b08ffffffffffffffffff01"],
    ["a product past all numbers", "120508ffffffff0f120508ffffffff0f"],
    ["an unknown rank", "1801"],
    ["a rank of 255", "1200".repeat(255)],
  ])("refuse %s", (_, text) => expect(() => tensorShape(bytes(text), "test")).toThrow(CheckpointError));
});

describe("half precision", () => {
  it.each([
    [0x3c00, 1],
    [0xc000, -2],
    [0x7bff, 65504],
    [0x0001, 2 ** -24],
    [0x8000, -0],
    [0x7c00, Number.POSITIVE_INFINITY],
    [0x7e00, Number.NaN],
  ])("%i", (bits, value) => expect(fromHalf(bits)).toBe(value));
});
