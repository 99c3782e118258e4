// What the server takes. It judges again: these only spare a person the sending of what would be refused.
export const MAX_BYTES = 52_428_800;
export const MAX_WIDTH = 1920;
export const MAX_HEIGHT = 1080;
export const MAX_NAME = 255;

// A browser keeps at most six HTTP/1.1 connections to a server. Uploads leave room for the events and for pictures.
export const UPLOADS_AT_ONCE = 4;
