"""Looking for what breaks: worlds nobody would think of, crashes everywhere, and the smallest run that still fails."""
