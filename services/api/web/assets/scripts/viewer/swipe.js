// Swiping through a strip of slides with a finger or a pen.

const DECIDED_PX = 8;
const FAR_ENOUGH = 0.2;
const FAST_PX_PER_MS = 0.4;

// Where two fingers have magnified the page, one moves about in it.
const isMagnified = () => visualViewport.scale > 1.01;
visualViewport.addEventListener("resize", () => document.documentElement.classList.toggle("is-magnified", isMagnified()));

/** Call `onMove(offset)` while a swipe goes on, and `onEnd(-1 | 0 | 1)` with where to go when it ends. */
export function onSwipe(element, onMove, onEnd) {
  let start = null;

  const end = (event) => {
    if (start?.id !== event.pointerId) return;
    const { isSwiping, x, time } = start;
    start = null;
    if (!isSwiping) return;
    const distance = event.clientX - x;
    const isFast = Math.abs(distance) / (event.timeStamp - time) > FAST_PX_PER_MS;
    const isFar = isFast || Math.abs(distance) > element.clientWidth * FAR_ENOUGH;
    onEnd(event.type === "pointerup" && isFar ? -Math.sign(distance) : 0);
  };

  element.addEventListener("pointerdown", (event) => {
    if (isMagnified() || event.pointerType === "mouse" || !event.isPrimary || event.target.closest("button")) return;
    start = { id: event.pointerId, x: event.clientX, time: event.timeStamp, isSwiping: false };
  });
  element.addEventListener("pointermove", (event) => {
    if (start?.id !== event.pointerId) return;
    const distance = event.clientX - start.x;
    if (!start.isSwiping && Math.abs(distance) > DECIDED_PX) {
      start.isSwiping = true;
      element.setPointerCapture(event.pointerId);
    }
    if (start.isSwiping) onMove(distance);
  });
  element.addEventListener("pointerup", end);
  element.addEventListener("pointercancel", end);
}
