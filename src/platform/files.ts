/** Where bytes of files come from on a platform: a disk, or what was dropped on a page. Types only. */

/** A file that is open for reading, of a size that was taken once. */
export interface ByteSource {
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  /**
   * The `length` bytes at `offset`, or as many of them as the file still has, in memory of their own that begins where its buffer
   * does. The caller asks for nothing beyond `size`, and may write to what it gets.
   */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** All bytes, in pieces that are the caller's own. May be asked for once; whoever stops early lets go of the file. */
  stream(): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/** How names of files are put together and taken apart, with the meanings of node:path. */
export interface Paths {
  join(...parts: string[]): string;
  dirname(path: string): string;
  basename(path: string): string;
  isAbsolute(path: string): boolean;
}

/** What stands in a folder, by its name there. Links are of kind "other". */
export interface FolderEntry {
  readonly name: string;
  readonly kind: FileKind;
}

export type FileKind = "file" | "folder" | "other";

/** A file that is being written. */
export interface FileWriter {
  /** Adds bytes at the end; they may be used again when this resolves. */
  write(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** A private place for what lies in an archive. */
export interface Scratch {
  /** The folder, as `files` calls it. */
  readonly path: string;
  readonly files: Files;
  /** Begins a file below `path`, and makes the folders that it lies in; fails where there is one of that path. */
  create(path: string): Promise<FileWriter>;
  /** Removes all of it. A process that ends before does so too. */
  remove(): Promise<void>;
}

/** A hash of bytes that come in pieces. */
export interface Hash {
  update(bytes: Uint8Array): void;
  /** In hexadecimal digits; nothing may follow. */
  digest(): string;
}

/**
 * The files of a platform. What fails rejects with an error whose `code` says why, in the words of the operating system
 * ("EACCES") or of the platform; "ENOENT" is what is not there, "EISDIR" what is no regular file, and "ENOSPC" that there is no room left.
 */
export interface Files extends Paths {
  open(path: string): Promise<ByteSource>;
  /** What stands in a folder, in any order. */
  list(folder: string): Promise<FolderEntry[]>;
  /** What a path leads to, links followed, and its bytes; undefined where that is nothing, or cannot be looked at. */
  stat(path: string): Promise<{ readonly kind: FileKind; readonly size: number } | undefined>;
  scratch(): Promise<Scratch>;
  /**
   * What gzip packed: all its members behind each other, as gunzip takes them. A browser's DecompressionStream takes one
   * member only, and rejects where another follows. What is damaged or cut off rejects in the words of what unpacks, with no code
   * or one that begins with "Z_"; what `stream` rejects with goes through.
   */
  gunzip(stream: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>;
  sha256(): Hash;
}
