"""The simulated machine's secure randomness: different bytes each time, the same in each run of one seed.

This file answers for the Secrets port. It must never be used where a secret has to be one.
"""

from adapters.chance import SystemSecrets
from scenarios.draws import Draws


class SimulatedSecrets:
    """Bytes that follow from the seed and from how many were taken before; a machine keeps it over a crash."""

    def __init__(self, draws: Draws) -> None:
        self._draws = draws
        self._taken = 0
        # By tenant: the keys that clients of the HTTP door were given, and keep whatever happens to us.
        self.of_clients: dict[str, str] = {}
        self._hashes = SystemSecrets(self.fresh(32))

    def fresh(self, count_bytes: int) -> bytes:
        """So many bytes."""
        self._taken += 1
        return self._draws.fresh(count_bytes, "secret", self._taken)

    def keyed_hash(self, purpose: str, *parts: str) -> bytes:
        """As in production, under an installation key of this world's own."""
        return self._hashes.keyed_hash(purpose, *parts)
