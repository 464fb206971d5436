/** The kernels for units that multiply small matrices, for platforms that hand them to the executor; see Gpu. */
export { matrixProducts } from "../../kernels/conv-matrix.ts";
