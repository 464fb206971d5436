export declare const scripts: readonly {
  readonly entry: string;
  readonly options?: { readonly format?: "esm" | "iife"; readonly platform?: "browser" };
}[];
export declare const loadedLater: string[];
export declare const copies: readonly { readonly from: string; readonly to: string }[];
export declare function scriptOf(entry: string, options?: { readonly format?: string }): string;
export declare function freshDist(): URL;
