"""Two policies side by side on the same world: what would have happened."""
