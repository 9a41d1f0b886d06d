"""A storm: a real daemon that is killed again and again while real sinks misbehave, and what must be true after it."""
