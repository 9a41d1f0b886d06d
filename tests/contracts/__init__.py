"""One text for each port, which every implementation passes."""
