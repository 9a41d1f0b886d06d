"""One file a scheme: tells a provider's hook from a forged one, over the bytes that came in."""
