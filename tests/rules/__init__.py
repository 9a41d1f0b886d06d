"""The pure rules of core, in milliseconds."""
