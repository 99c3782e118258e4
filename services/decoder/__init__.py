"""The stage that turns an upload into a clean, upright picture that every browser shows."""
