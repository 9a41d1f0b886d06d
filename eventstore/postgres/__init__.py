"""The log in one PostgreSQL database, for one daemon at a time."""
