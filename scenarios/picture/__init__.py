"""Runs as pictures: what arrived, was tried and was delivered, what waited, and when the other side was down."""
