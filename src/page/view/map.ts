/** The script of a page that holds its data. */
import "./map.css";
import { unpackData } from "../packed.ts";
import { createMapView } from "./view.ts";

const root = document.getElementById("map");
const data = document.getElementById("data");
if (root && data?.textContent) createMapView(root, unpackData(data.textContent));
