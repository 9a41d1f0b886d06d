"""The least one-process Python that does the same job durably, in two forms. README.md says what they leave out."""
