/** Where reference values lie: the project's own copy, and the larger set that may stand beside a checkout. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

/** The project's own copy; its README says what it holds. */
export const ownReference = resolve(import.meta.dirname, "../reference");

const beside = resolve(import.meta.dirname, "../../../shared/reference");

/** The larger set of reference values (photographs, published archives), where it is at hand. */
export const sharedReference: string | undefined = existsSync(join(beside, "ops.json")) ? beside : undefined;

/** For titles: why a test that needs the larger set does not run. */
export const needsShared = sharedReference
  ? ""
  : " [skipped: the larger reference set is not beside this checkout]";

const casesBeside = resolve(import.meta.dirname, "../../../shared/cases");

/** Files that went wrong in the hands of users, where they are at hand. */
export const sharedCases: string | undefined = existsSync(casesBeside) ? casesBeside : undefined;

/** For titles, as above. */
export const needsCases = sharedCases ? "" : " [skipped: the files of users are not beside this checkout]";
