/** The state file called `checkpoint` that training leaves beside its checkpoints (CheckpointState, a protobuf in text). */
import { bytesOfLatin1, latin1, utf8 } from "../bytes.ts";
import { CheckpointError } from "../errors.ts";
import type { Files } from "../platform/files.ts";
import { asUtf8 } from "../text.ts";
import { openByteFile } from "./bytes.ts";

/** State files list a few names. */
const longestState = 2 ** 20;

const escapes: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };

/** A string of protobuf's text format: letters that are not ASCII stand as the octal numbers of their bytes. */
function unescaped(quoted: string): string {
  const bytes = quoted.replace(/\\([0-7]{1,3}|x[0-9a-f]{1,2}|.)/gi, (_, code: string) => {
    if (/^[0-7]/.test(code)) return String.fromCharCode(Number.parseInt(code, 8) & 0xff);
    if (/^x./i.test(code)) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    return escapes[code] ?? code;
  });
  return utf8(bytesOfLatin1(bytes));
}

/** The last part of a path of any system's. */
const lastPart = (path: string): string => path.split(/[\\/]/).at(-1) as string;

/**
 * The names that a state file's path may have here, likeliest first: as it stands, and its last part, which is what lies
 * beside the state file when the path is of another machine, of another folder, or of Windows.
 * @throws CheckpointError where it names none.
 */
export async function namesInState(
  path: string,
  files: Files,
): Promise<{ readonly path: string; readonly last: readonly string[] }> {
  const file = await openByteFile(path, files);
  const bytes = await file.read(0, Math.min(file.size, longestState)).finally(() => file.close());
  // The bytes one by one: names may be in UTF-8 as they are, too.
  const quoted = /^\s*model_checkpoint_path:\s*(["'])((?:[^"'\\]|\\.|(?!\1)["'])*)\1/m.exec(
    latin1(asUtf8(bytes) ?? bytes),
  )?.[2];
  if (quoted === undefined || quoted === "")
    throw new CheckpointError(`${path} names no checkpoint (model_checkpoint_path is missing).`);
  const asItStands = unescaped(quoted);
  // Written by hand, a path of Windows has no second backslash, and its parts look like escapes.
  const raw = utf8(bytesOfLatin1(quoted));
  return {
    path: asItStands,
    last: [...new Set([lastPart(asItStands), lastPart(raw)])].filter(
      (name) => !["", ".", ".."].includes(name),
    ),
  };
}
