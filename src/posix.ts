/** Names with slashes, put together and taken apart as node:path's posix does: those in archives, and a browser's. */
import type { Paths } from "./platform/files.ts";

/** Without dots that lead nowhere, empty parts, and parts that a ".." takes back. */
function normal(path: string): string {
  const root = path.startsWith("/") ? "/" : "";
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else if (root === "") parts.push("..");
  }
  const whole = root + parts.join("/");
  if (whole === "") return path.endsWith("/") ? "./" : ".";
  return path.endsWith("/") && !whole.endsWith("/") ? `${whole}/` : whole;
}

const withoutEnd = (path: string) => path.replace(/\/+$/, "");

export const posix: Paths = {
  join: (...parts) => normal(parts.filter((part) => part !== "").join("/") || "."),
  dirname(path) {
    const own = withoutEnd(path);
    const slash = own.lastIndexOf("/");
    if (slash > 0) return own.slice(0, slash);
    return path.startsWith("/") ? "/" : ".";
  },
  basename: (path) => withoutEnd(path).replace(/^.*\//s, ""),
  isAbsolute: (path) => path.startsWith("/"),
};
