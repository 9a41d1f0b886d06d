"""The daemon and its commands on PostgreSQL: real servers, real processes, real faults."""
