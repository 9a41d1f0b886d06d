"""A stretch of a live log as a scenario file: what was asked for, what was answered, what failed, and no name."""
