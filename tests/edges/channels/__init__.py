"""Every provider against real servers that behave and misbehave."""
