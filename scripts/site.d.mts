export declare const headers: Readonly<Record<string, string>>;
export declare function buildSite(out: string): Promise<void>;
