/** The formats that features are saved in: the same code as on the command line. */
import { csv } from "../src/tables/formats/csv.ts";
import { npy } from "../src/tables/formats/npy.ts";
import { npz } from "../src/tables/formats/npz.ts";
import { parquet } from "../src/tables/formats/parquet.ts";
import { pkl } from "../src/tables/formats/pkl.ts";
import type { FeatureFormat, TableFile } from "../src/tables/formats/table.ts";

export const formats: readonly FeatureFormat<TableFile>[] = [npy, npz, parquet, csv, pkl];
