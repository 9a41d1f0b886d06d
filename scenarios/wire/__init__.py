"""The wire: real clients and servers that talk through memory on virtual time, every byte in the scenario's hand.

`loop.WireLoop` is the door: the loop of a run whose network exists. Behind it stand names and servers (`network`), the
lines between them (`line`), what goes wrong on them (`course`), the requests under way (`exchange`), the providers that
answer (`providers`, `mail`, `accounts`), the channels that call them (`channel`) and our own HTTP API (`door`). TLS is
left out: lines carry what the two sides say in the clear, and names are whoever they claim to be.
"""
