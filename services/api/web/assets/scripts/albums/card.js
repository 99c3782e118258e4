// One album on the first page: its newest pictures, name and count.
import { el, setText } from "../dom.js";
import { icon, iconButton } from "../icons.js";
import { Picture } from "../pictures/picture.js";
import { albumLink } from "../route.js";
import { listImages, pictureAddress, thumbnailAddress } from "../server.js";
import { count, date } from "../words.js";

const PICTURES = 3;

const nearScreen = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) target.dispatchEvent(new CustomEvent("near", { detail: isIntersecting }));
  },
  { rootMargin: "300px" },
);

export class AlbumCard {
  #seen = null;
  #asked = 0;
  #isNear = false;
  #pictures = new Map();

  constructor(album, onDelete) {
    this.album = album;
    this.cover = el("span", { class: "cover", "aria-hidden": "true" }, icon("picture"));
    this.name = el("span", { class: "album-name", dir: "auto" });
    this.detail = el("span", { class: "album-detail" });
    this.link = el("a", { class: "album-link", href: albumLink(album.id) }, this.cover, this.name, this.detail);
    const trash = iconButton("trash", `Delete ${album.name}`, { class: "icon-button album-delete", "data-changes": true, onclick: onDelete });
    this.element = el("li", { class: "album" }, this.link, trash);
    this.element.addEventListener("near", ({ detail: isNear }) => {
      this.#isNear = isNear;
      if (isNear) this.#showCover();
    });
    nearScreen.observe(this.element);
  }

  update(album) {
    this.album = album;
    setText(this.name, album.name);
    this.name.title = album.name;
    setText(this.detail, `${count(album.content_count, "picture")} · ${date(album.create_date)}`);
    if (this.#isNear) this.#showCover();
  }

  /** Its pictures may be others by now, as many as they are: look at the next update. */
  expire() {
    this.#seen = null;
  }

  async #showCover() {
    const { id, content_count: total } = this.album;
    // What is not finished yet may have got its thumbnail; finished ones stay until the count or an event says otherwise.
    if (this.#seen === total) return;
    this.#seen = total;
    const turn = (this.#asked += 1);
    let images = [];
    try {
      images = total ? (await listImages(id, PICTURES * 2)).images : [];
    } catch {
      this.#seen = null;
      return;
    }
    if (turn !== this.#asked) return; // and was asked again since
    const pictured = images.filter((image) => image.content_type).slice(0, PICTURES);
    if (images.some((image) => image.state === "queued" || image.state === "encoded")) {
      this.#seen = null;
      // What is there stays until as much has come of what is new.
      if (pictured.length < this.#pictures.size) return;
    }
    this.#fill(pictured);
  }

  #fill(images) {
    const wanted = new Map();
    for (const image of images) {
      const picture = this.#pictures.get(image.id) ?? new Picture("");
      picture.hint(image.placeholder);
      const arriving = picture.show(image.state === "ready" ? thumbnailAddress(image.thumbnail_id) : pictureAddress(this.album.id, image.id));
      // One that did not come is asked for again at the next occasion.
      arriving.then((shown) => shown === null && (this.#seen = null));
      wanted.set(image.id, picture);
    }
    this.#pictures = wanted;
    this.cover.dataset.pictures = wanted.size;
    this.cover.replaceChildren(...(wanted.size ? [...wanted.values()].map(({ element }) => element) : [icon("picture")]));
  }
}
