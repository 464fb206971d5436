/**
 * The errors a user can cause or mend. Each is a sentence (what and where) with an optional hint (what to do about it)
 * and the exit code of the command line. Anything that is not a `UserError` is a bug and is shown with its stack.
 */

import { asTyped } from "./invocation.ts";

/** Exit codes of the command line, the one table that README and `--help` repeat. */
export const ExitCode = {
  ok: 0,
  unexpected: 1,
  usage: 2,
  someImagesFailed: 3,
  nothingToDo: 4,
  model: 5,
  device: 6,
  output: 7,
  busy: 8,
  otherSettings: 9,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** A mistake or a circumstance that the user can do something about. Printed without a stack trace. */
export class UserError extends Error {
  /** The name of its class, which scripts for browsers do not keep. */
  static readonly title: string = "UserError";
  /** What to do about it, as a sentence. */
  readonly hint: string | undefined;
  readonly exitCode: ExitCode = ExitCode.unexpected;

  constructor(message: string, hint?: string, options?: ErrorOptions) {
    super(asTyped(message), options);
    this.name = new.target.title;
    this.hint = hint && asTyped(hint);
  }
}

/** Wrong options or arguments. */
export class UsageError extends UserError {
  static override readonly title = "UsageError";
  override readonly exitCode = ExitCode.usage;
}

/** A checkpoint that is missing, damaged, or does not fit the network. */
export class CheckpointError extends UserError {
  static override readonly title = "CheckpointError";
  override readonly exitCode = ExitCode.model;
}

/** An image that cannot be read or decoded. */
export class ImageError extends UserError {
  static override readonly title = "ImageError";
  override readonly exitCode = ExitCode.someImagesFailed;
}

/** No images, or none that could be used. */
export class NothingToDoError extends UserError {
  static override readonly title = "NothingToDoError";
  override readonly exitCode = ExitCode.nothingToDo;
}

/** Shapes or attributes that do not fit an operation; `scope` says where in the network. */
export class ShapeError extends UserError {
  static override readonly title = "ShapeError";
  override readonly exitCode = ExitCode.model;
}

/** No adapter, a lost device, out of GPU memory, or a WebGPU error. */
export class DeviceError extends UserError {
  static override readonly title = "DeviceError";
  override readonly exitCode = ExitCode.device;
}

/** An output file that cannot be written. */
export class OutputError extends UserError {
  static override readonly title = "OutputError";
  override readonly exitCode = ExitCode.output;
}

/** Somebody else does this now, and nothing is wrong: the same command succeeds later. */
export class BusyError extends UserError {
  override readonly exitCode = ExitCode.busy;
}

/** What is there was made by other settings, or has other bytes, and is not mixed with this or replaced. */
export class OtherSettingsError extends UserError {
  override readonly exitCode = ExitCode.otherSettings;
}
