"""The formats in which people keep annotations: one small module each, and `reading` for all."""
