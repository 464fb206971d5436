/** Packages that only some users need, and install themselves. */
import { UsageError } from "../../errors.ts";

/** Those there are, each with how it is loaded: a bundler wants to see the names. */
const packages = {
  "@aws-sdk/client-s3": () => import("@aws-sdk/client-s3"),
  bullmq: () => import("bullmq"),
  ioredis: () => import("ioredis"),
} as const;

/** A package that `what` needs. @throws UsageError that says how to install it, where it is not. */
export async function optional(name: keyof typeof packages, what: string): Promise<unknown> {
  try {
    return await packages[name]();
  } catch (cause) {
    throw new UsageError(
      `For ${what} the package ${name} is needed, and is not installed.`,
      `npm install ${name}`,
      {
        cause,
      },
    );
  }
}
