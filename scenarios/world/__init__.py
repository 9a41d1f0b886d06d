"""The simulated world: a clock, a disk, providers and people around the production actors, and the truth about them."""
