"""Configuration as a user meets it: what a file comes to, and what is said about a wrong one."""
