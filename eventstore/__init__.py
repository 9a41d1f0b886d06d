"""The log: what happened, in order, and the vault that holds what must be forgettable."""
