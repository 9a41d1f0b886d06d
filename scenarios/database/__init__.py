"""A real database that several simulated daemons share: on their time, over ways that break as the world says."""
