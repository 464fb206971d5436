/** Packages that only some users need, and install themselves. */
import { UsageError } from "../../errors.ts";

type Optional = "@aws-sdk/client-s3" | "bullmq" | "ioredis";

/** Those there are, each with how it is loaded: a bundler wants to see the names. */
const packages: Readonly<Record<Optional, () => Promise<unknown>>> = {
  "@aws-sdk/client-s3": () => import("@aws-sdk/client-s3"),
  bullmq: () => import("bullmq"),
  ioredis: () => import("ioredis"),
};

/** A package that `what` needs. @throws UsageError that says how to install it, where it is not. */
export async function optional(name: Optional, what: string): Promise<unknown> {
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
