/** SwiftShader, a Vulkan driver that runs on the processor, from the npm package @sparticuz/chromium. */
import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";

const wanted = ["libvk_swiftshader.so", "libvulkan.so.1", "vk_swiftshader_icd.json"];

/** The regular files of a plain ustar archive: 512-byte headers with name, octal size at 124 and type at 156. */
function untar(archive: Buffer): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (let at = 0; at + 512 <= archive.length && archive[at] !== 0; ) {
    const header = archive.subarray(at, at + 512);
    const name = header.toString("utf8", 0, header.indexOf(0));
    const size = Number.parseInt(header.toString("ascii", 124, 136), 8);
    const type = String.fromCharCode(header[156] || 48);
    if (type === "0") files.set(basename(name), archive.subarray(at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}

/** The files of an archive of the package. */
export async function filesOf(archive: string): Promise<Map<string, Buffer>> {
  return untar(await unpacked(archive));
}

/** What a packed file of the package holds. */
export async function unpacked(name: string): Promise<Buffer> {
  const require = createRequire(import.meta.url);
  const packageRoot = join(dirname(require.resolve("@sparticuz/chromium")), "..");
  return promisify(brotliDecompress)(await findPacked(packageRoot, name));
}

/** Unpacks the driver into `dir` once; gives the environment variables under which the Vulkan loader finds it. */
export async function unpackSwiftShader(dir: string): Promise<NodeJS.ProcessEnv> {
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new Error(
      "SwiftShader is at hand for Linux on x64 only; here the tests need a WebGPU adapter of the system.",
    );
  }
  const ready = await stat(join(dir, wanted[0])).catch(() => undefined);
  if (!ready) {
    const files = await filesOf("swiftshader.tar.br");
    await mkdir(dirname(dir), { recursive: true });
    const fresh = await mkdtemp(`${dir}-`);
    for (const name of wanted) {
      const bytes = files.get(name);
      if (!bytes) throw new Error(`@sparticuz/chromium's swiftshader.tar.br holds no ${name}`);
      await writeFile(join(fresh, name), bytes, { mode: 0o755 });
    }
    await rm(dir, { recursive: true, force: true });
    await rename(fresh, dir);
  }
  const icd = join(dir, "vk_swiftshader_icd.json");
  const path = process.env.LD_LIBRARY_PATH;
  return { VK_ICD_FILENAMES: icd, VK_DRIVER_FILES: icd, LD_LIBRARY_PATH: path ? `${dir}:${path}` : dir };
}

async function findPacked(start: string, name: string): Promise<Buffer> {
  for (let dir = start; dirname(dir) !== dir; dir = dirname(dir)) {
    const packed = await readFile(join(dir, "bin", name)).catch(() => undefined);
    if (packed) return packed;
  }
  throw new Error(`bin/${name} was not found above ${start}`);
}
