/** A folder that comes with the project, of files that are read whole. */
export interface Folder {
  /** Its name, as users are told of it. */
  readonly path: string;
  /** The name of a file in it. */
  at(name: string): string;
  /** The bytes of a file; nothing where there is none of that name. */
  read(name: string): Promise<Uint8Array | undefined>;
}
