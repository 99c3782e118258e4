// What the server takes, as it says itself. It judges again: this only spares a person the sending of what it would refuse.
export const limits = { bytes: 52_428_800, width: 1920, height: 1080, any_orientation: false };
export const MAX_NAME = 255;

// A browser keeps at most six HTTP/1.1 connections to a server, for all its tabs. Their uploads together leave room for
// the events and for pictures.
export const UPLOADS_AT_ONCE = 4;

/** Whether a picture of this size, in pixels, is inside the limits. */
export const allows = (width, height) => fits(width, height) || (limits.any_orientation && fits(height, width));

const fits = (width, height) => width <= limits.width && height <= limits.height;
