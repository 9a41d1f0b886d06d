"""Everything that waits, and nothing that knows a provider."""
