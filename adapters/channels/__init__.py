"""One file a provider: speaks its protocol and turns its answers into outcomes."""
