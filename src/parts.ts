/** Parts of the program that are loaded when they are needed: by a page from its site, which it may have left behind. */
import { UserError } from "./errors.ts";

/** The part that `importing` gives. @throws UserError where a page cannot have it. */
export const partOf = <T>(importing: Promise<T>): Promise<T> =>
  importing.catch((cause: Error) => {
    throw new UserError(
      `A part of the program cannot be loaded from its site (${cause.message}).`,
      "It is needed for the first image, checkpoint or device of its kind. Connect to the site again, and try once more.",
      { cause },
    );
  });
