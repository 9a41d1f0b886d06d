"""Who is awake: at most one live actor a conversation, woken by permits and mail, put to sleep when idle.

An actor reads the log at its first turn, so waking costs nothing here. Falling asleep drops memory only: everything is
in the log.
"""

from actors.conversation import ConversationActor
from actors.surroundings import Surroundings


class Roster:
    """The awake conversations, the one used longest ago first."""

    def __init__(self, world: Surroundings, *, awake_max: int, idle_us: int) -> None:
        self._world = world
        self._awake: dict[int, ConversationActor] = {}
        self._awake_max = awake_max
        self._idle_us = idle_us
        # Until when nobody can have been idle for long enough.
        self._sweep_us = 0

    def __len__(self) -> int:
        return len(self._awake)

    def find(self, conversation: int) -> ConversationActor | None:
        """The conversation's actor if it is awake."""
        return self._awake.get(conversation)

    def wake(self, conversation: int, tenant: str, *, is_new: bool = False) -> ConversationActor:
        """The conversation's one actor, awake from here on. `is_new`: the log holds nothing older than what arrives."""
        actor = self._awake.pop(conversation, None)
        if actor is None:
            actor = ConversationActor(conversation, tenant, self._world, is_new=is_new)
            # Before it is among them: it has no turn yet, so it would look like one that may be put to sleep.
            if len(self._awake) >= self._awake_max:
                self._make_room()
        self._awake[conversation] = actor
        actor.used_us = self._world.clock.now_us()
        return actor

    def sweep(self, now_us: int) -> int | None:
        """Puts idle conversations to sleep. Answers when the next may be idle, None where all sleep."""
        if now_us < self._sweep_us:
            return self._sweep_us  # Asked at every turn of the scheduler; whoever was used since is idle later.
        asleep, is_any_busy = [], False
        for conversation, actor in self._awake.items():
            if actor.used_us + self._idle_us > now_us:
                break
            if actor.is_busy:
                # It stays, as if used now; its turn at the front would hide those behind it.
                actor.used_us, is_any_busy = now_us, True
            asleep.append((conversation, actor))
        for conversation, actor in asleep:
            del self._awake[conversation]
            if actor.is_busy:
                self._awake[conversation] = actor
        first = next(iter(self._awake.values()), None)
        # While the store fails many are busy for long: they are looked at together, and not each at its own instant.
        least_us = now_us + self._idle_us if is_any_busy else 0
        self._sweep_us = 0 if first is None else max(first.used_us + self._idle_us, least_us)
        return self._sweep_us or None

    def _make_room(self) -> None:
        for conversation, actor in self._awake.items():
            if not actor.is_busy:
                del self._awake[conversation]
                return
