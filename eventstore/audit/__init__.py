"""Looking at a log as an auditor does: what is wrong in it, what it came to, and what proves it to somebody outside."""
