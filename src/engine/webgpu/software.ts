/** Whether an adapter of this name is a processor that plays a GPU. */
export const playsGpu = (adapter: string): boolean => /llvmpipe|lavapipe|swiftshader/i.test(adapter);
