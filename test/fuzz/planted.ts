/** Readers with faults planted, each met by some numbers only: what the fuzzer must find. */
import { readFileSync } from "node:fs";
import { digestOf, type Target } from "../../fuzz/target.ts";
import { UserError } from "../../src/errors.ts";

/** A reader of files of one byte: it fails for those below 64 in the way of its fault. */
const planted = (name: string, fault: (byte: number) => void | Promise<void>): Target => ({
  name,
  seeds: async () => [{ name: "byte", files: new Map([["byte", Buffer.of(200)]]), open: "byte" }],
  mutate(_, dice) {
    const byte = dice.below(256);
    return { files: new Map([["byte", Buffer.of(byte)]]), open: "byte", how: `byte ${byte}`, promise: "any" };
  },
  async read(path) {
    const [byte] = readFileSync(path);
    if (byte < 64) await fault(byte);
    return { values: new Map([["byte", digestOf(Buffer.of(byte))]]) };
  },
});

const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export const targets: readonly Target[] = [
  planted("bug", () => void (undefined as unknown as string[]).length),
  planted("hang", () => {
    for (;;);
  }),
  planted("wait", () => wait(2 ** 30) as Promise<void>),
  planted("crash", () => process.abort()),
  planted("rejection", async () => {
    void Promise.reject(new Error("nobody hears this"));
    await wait(50);
  }),
  planted("memory", () => void Buffer.alloc(2 ** 29, 1)),
  planted("processor", () => {
    const { user } = process.cpuUsage();
    while (process.cpuUsage().user < user + 2_200_000);
  }),
  {
    ...planted("silence", () => {}),
    mutate: (_, dice) => {
      const byte = dice.below(256);
      return {
        files: new Map([["byte", Buffer.of(byte)]]),
        open: "byte",
        how: `byte ${byte}`,
        promise: "exact",
      };
    },
  },
  {
    ...planted("typed", () => {}),
    read: async (path) => {
      const [byte] = readFileSync(path);
      const refusal = byte < 64 ? new UserError("The byte is too small.") : undefined;
      return { values: new Map(), refusal };
    },
  },
];
