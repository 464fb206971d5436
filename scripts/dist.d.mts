export declare const scripts: readonly { readonly entry: string; readonly options?: object }[];
export declare const copies: readonly { readonly from: string; readonly to: string }[];
export declare function scriptOf(entry: string): string;
export declare function freshDist(): URL;
