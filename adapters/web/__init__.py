"""The HTTP face: what clients send in, and what they may ask."""
