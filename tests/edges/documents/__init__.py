"""Support for the tests that hold the documents against the product: reading them, running them, comparing."""
