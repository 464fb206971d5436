/** The script that scripts/dist.mjs builds of src/images/jpeg-decode.ts, which lies beside those that import it. */
export { decodeFastJpeg } from "../images/jpeg-decode.ts";
