"""A storm over several daemons on one database: real processes, a real failover, and what must be true after it."""
