"""Running scenarios: one run over all lives of the daemon, sweeps of crashes, seeds in parallel, and what is told."""
