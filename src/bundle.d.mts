/** A script as text, which can be handed to a worker. */
export interface Script {
  readonly text: string;
  readonly filename: string;
}
export declare function sourceUrl(path: string): URL;
export declare const requireOwn: NodeJS.Require;
export declare function bundled(path: string): Script;
export declare function run(script: Script): void;
