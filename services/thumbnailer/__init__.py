"""The stage that makes the thumbnail of an encoded picture."""
