import type { BuildOptions } from "esbuild";

export interface Script {
  readonly entry: string;
  readonly options?: { readonly format?: "esm" | "iife"; readonly platform?: "browser" };
}
export declare const scripts: readonly Script[];
export declare const copies: readonly { readonly from: string; readonly to: string }[];
export declare function scriptOf(entry: string, options?: { readonly format?: string }): string;
export declare function buildOptions(
  root: string,
  dist: string,
  script: Script,
): BuildOptions & { readonly write: false };
export declare function freshDist(): URL;
