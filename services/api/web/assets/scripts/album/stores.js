// The stores of the albums that were opened: one each, so that uploads go on wherever the person goes.
import { AlbumStore } from "./store.js";

const stores = new Map();

export function storeOf(albumId) {
  if (!stores.has(albumId)) stores.set(albumId, new AlbumStore(albumId));
  return stores.get(albumId);
}
