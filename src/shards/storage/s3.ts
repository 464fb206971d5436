/**
 * S3 and what speaks it. The client is Amazon's, since nothing else finds the credentials of all the places where it runs
 * (roles of machines, of containers, of pods); it is 38 packages, so it is installed only by those who name an s3:// address.
 * A file that must not replace another is put with If-None-Match, which the server decides:
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
 */
import { createWriteStream } from "node:fs";
import { readFile, rename } from "node:fs/promises";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { S3Client } from "@aws-sdk/client-s3";
import { OutputError, UsageError, UserError } from "../../errors.ts";
import { optional } from "./optional.ts";
import { type Content, hashOfContent, type Storage } from "./storage.ts";

type Sdk = typeof import("@aws-sdk/client-s3");

/** The hash of a file is kept beside it: a server's own tag depends on how it was sent. */
const hashKey = "sha256";

/** Attempts of a request; the waits between them double. */
const attempts = 6;

/** Milliseconds that a server may say nothing. */
const silence = 60_000;

/** A single request may put as much; a shard of that size is cut too large for other reasons as well. */
const mostBytes = 2 ** 31 - 1;

const statusOf = (error: unknown): number | undefined =>
  (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;

/** One client for all places of a process: it holds the connections. */
let shared: { readonly sdk: Sdk; readonly client: S3Client } | undefined;

async function sdkAndClient() {
  if (shared) return shared;
  const sdk = (await optional("@aws-sdk/client-s3", "s3:// addresses")) as Sdk;
  const { env } = process;
  const endpoint = env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL;
  const client = new sdk.S3Client({
    maxAttempts: attempts,
    // By itself the client waits for ever for a server that says nothing.
    requestHandler: { connectionTimeout: 10_000, socketTimeout: silence },
    // Servers of one's own have one name, and buckets are paths there; they have no regions either.
    ...(endpoint && { endpoint, forcePathStyle: true }),
    ...(endpoint && !env.AWS_REGION && !env.AWS_DEFAULT_REGION && { region: "us-east-1" }),
    // Newer checksums are not known to all that speak S3.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
  shared = { sdk, client };
  return shared;
}

/** `s3://bucket/prefix`. @throws UsageError where the client is not installed */
export async function openS3(place: string): Promise<Storage> {
  const [, bucket, inBucket = ""] = /^s3:\/\/([^/]+)(?:\/(.*))?$/.exec(place) ?? [];
  if (!bucket) throw new UsageError(`${place} names no bucket.`, "It should look like s3://bucket/folder.");
  const base = inBucket === "" || inBucket.endsWith("/") ? inBucket : `${inBucket}/`;
  const { sdk, client } = await sdkAndClient();
  const Bucket = bucket;
  const keyOf = (name: string) => ({ Bucket, Key: `${base}${name}` });
  const shown = (name: string) => `s3://${bucket}/${base}${name}`;

  const failed = (what: string, name: string, error: unknown) => {
    const status = statusOf(error);
    const { name: kind, message } = error as Error;
    return `Cannot ${what} ${shown(name)}: ${kind}${status ? ` (${status})` : ""}, ${message}`.replace(
      /\.?$/,
      ".",
    );
  };
  const hint =
    "Credentials, region and endpoint are taken from where Amazon's tools take them: AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL, a role.";

  async function ifThere<T>(name: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw new UserError(failed("read", name, error), hint, { cause: error });
    }
  }

  const head = (name: string) => ifThere(name, () => client.send(new sdk.HeadObjectCommand(keyOf(name))));

  const read = (name: string, start = 0, end?: number): Promise<Buffer | undefined> =>
    ifThere(name, async () => {
      if (end !== undefined && end <= start) return Buffer.alloc(0);
      const Range =
        start === 0 && end === undefined ? undefined : `bytes=${start}-${end === undefined ? "" : end - 1}`;
      const { Body } = await client.send(new sdk.GetObjectCommand({ ...keyOf(name), Range }));
      return Buffer.from((await Body?.transformToByteArray()) ?? []);
    });

  return {
    place,
    async *list(prefix) {
      for (let ContinuationToken: string | undefined; ; ) {
        const page = await client
          .send(new sdk.ListObjectsV2Command({ Bucket, Prefix: `${base}${prefix}`, ContinuationToken }))
          .catch((error: unknown) => {
            throw new UserError(failed("list", prefix, error), hint, { cause: error });
          });
        for (const { Key = "", Size = 0 } of page.Contents ?? [])
          if (!Key.endsWith("/")) yield { name: Key.slice(base.length), bytes: Size };
        ContinuationToken = page.NextContinuationToken;
        if (!ContinuationToken) return;
      }
    },
    async find(name) {
      const there = await head(name);
      return there && { name, bytes: there.ContentLength ?? 0 };
    },
    read,
    async download(name, to) {
      const part = `${to}.part`;
      for (let attempt = 1; ; attempt++) {
        const answer = await ifThere(name, () => client.send(new sdk.GetObjectCommand(keyOf(name))));
        if (!answer?.Body) throw new UserError(`There is no object ${shown(name)}.`);
        try {
          await pipeline(answer.Body as Readable, createWriteStream(part));
          return await rename(part, to);
        } catch (error) {
          // The client tries requests again, but not answers that break off.
          if (attempt === attempts) throw new UserError(failed("read", name, error), hint, { cause: error });
        }
      }
    },
    async hashOf(name) {
      const there = await head(name);
      if (!there) return undefined;
      const told = there.Metadata?.[hashKey];
      if (told) return told;
      const bytes = await read(name);
      return bytes && hashOfContent(bytes);
    },
    async put(name, content, { ifAbsent }) {
      const Body = content instanceof Uint8Array ? content : await bytesOf(content, shown(name));
      const Metadata = { [hashKey]: await hashOfContent(Body) };
      const put = new sdk.PutObjectCommand({
        ...keyOf(name),
        Body,
        Metadata,
        ContentLength: Body.length,
        ...(ifAbsent && { IfNoneMatch: "*" }),
      });
      for (let attempt = 1; ; attempt++) {
        try {
          await client.send(put);
          return true;
        } catch (error) {
          if (ifAbsent && statusOf(error) === 412) return false;
          // Another that puts the same name is under way: who was first is known when it has ended.
          if (statusOf(error) === 409 && attempt < attempts) {
            await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** attempt));
            continue;
          }
          throw new OutputError(failed("write", name, error), hint, { cause: error });
        }
      }
    },
    // What is put by one request is whole or not there.
    async sweep() {},
    async remove(name) {
      await client.send(new sdk.DeleteObjectCommand(keyOf(name))).catch((error: unknown) => {
        throw new OutputError(failed("remove", name, error), hint, { cause: error });
      });
    },
  };
}

async function bytesOf({ file }: Exclude<Content, Uint8Array>, shown: string): Promise<Buffer> {
  return readFile(file).catch((cause: NodeJS.ErrnoException) => {
    const tooLarge = cause.code === "ERR_FS_FILE_TOO_LARGE";
    throw new OutputError(
      tooLarge
        ? `${shown} would be larger than ${mostBytes} bytes.`
        : `${file} cannot be read (${cause.code}).`,
      tooLarge ? "Cut the shards smaller, with --per-shard." : undefined,
      { cause },
    );
  });
}
