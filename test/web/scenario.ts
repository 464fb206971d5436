/** What the page of the tests does with the package, and tells. */
import type * as Web from "../../src/web/index.ts";

/** What is told of an extractor and its images. */
export interface Extracted {
  readonly model: string;
  readonly backend: string;
  readonly adapter: string;
  readonly preprocess: string;
  readonly weights: unknown;
  readonly features: Readonly<Record<string, readonly number[]>>;
  readonly failures: Readonly<Record<string, string>>;
}

export interface Fault {
  readonly name: string;
  readonly message: string;
  readonly hint?: string;
}

export interface Told {
  readonly isolated: boolean;
  readonly error?: string;
  readonly steps: Readonly<Record<string, unknown>>;
}

/** What is used of a page's globals. */
export interface PageParts {
  readonly web: typeof Web;
  file(path: string): Promise<File>;
  readonly samples: readonly string[];
}

export async function extracted(
  { web, file, samples }: PageParts,
  options: Web.WebExtractorOptions,
  images = samples,
): Promise<Extracted> {
  const extractor = await web.createExtractor(options);
  const features: Record<string, number[]> = {};
  const failures: Record<string, string> = {};
  const files = await Promise.all(images.map(file));
  for await (const item of extractor.stream(files, { onError: "skip" })) {
    if (item.error) failures[item.image.name] = item.error.message;
    else features[item.image.name] = [...item.features[extractor.endPoints[0].name]];
  }
  const { model, backend, adapter, preprocess, weights } = extractor;
  await extractor.close();
  return { model, backend, adapter, preprocess, weights, features, failures };
}

export const faultOf = (work: Promise<unknown>): Promise<Fault | undefined> =>
  work.then(
    () => undefined,
    ({ name, message, hint }: Fault) => ({ name, message, hint }),
  );
