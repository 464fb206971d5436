/** Shapes and float32 tensors: the vocabulary that every room shares. Row-major; images are NHWC, filters HWIO. */

export type Shape = readonly number[];

export interface Tensor {
  readonly shape: Shape;
  readonly data: Float32Array;
}

/** The number of elements of a shape; 1 for a scalar. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((n, d) => n * d, 1);
}

/** Whether something from a file is a shape: whole numbers, and as many elements as can be counted. */
export function isShape(value: unknown): value is number[] {
  return (
    Array.isArray(value) &&
    value.length <= 32 &&
    value.every((d) => Number.isSafeInteger(d) && d >= 0) &&
    Number.isSafeInteger(sizeOf(value))
  );
}

/** `[1, 224, 224, 3]` as `1x224x224x3`; a scalar as `scalar`. */
export function formatShape(shape: Shape): string {
  return shape.length === 0 ? "scalar" : shape.join("x");
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i]);
}
