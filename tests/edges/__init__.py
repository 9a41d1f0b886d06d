"""API, command line and configuration as a user meets them."""
