/** Image files on this machine: found, read and decoded, in this thread or in workers. */
export { listArchive } from "./archive.ts";
export { decodeImage, nativeDecoder } from "./decode.ts";
export { type FoundImages, findImages, theList } from "./found.ts";
export { type ImageInput, type ListOptions, listFolder, nameOf } from "./inputs.ts";
export { type ListOrder, listNamed, type NamedFiles } from "./list.ts";
export { type DecodePool, inHand, openDecodePool } from "./pool.ts";
export {
  decodeContent,
  decodeInput,
  inputBytes,
  type Outcome,
  type ReadRecipe,
  readContent,
  unreadCode,
} from "./read.ts";
export { isPlaceOfImages, listSources, type Source } from "./sources.ts";
export { type Sheet, type SheetEvents, type SheetShape, thumbnailSheets } from "./thumbnails.ts";
