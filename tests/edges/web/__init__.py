"""The HTTP API as its users meet it: a real server on the loopback over a real system."""
