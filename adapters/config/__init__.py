"""Configuration: one TOML file and the environment in, plain settings or a list of every mistake out."""
