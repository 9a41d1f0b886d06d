"""Attempts of unknown fate on virtual time: what evidence is awaited, who is asked meanwhile, and what follows."""

from core import events as e
from scenarios.laws.evidence import Evidence
from tests.promises.simulated import run, statuses

_ONE = """\
[policies.whatsapp]
limits = { tenant = "none", gap = "2s" }
retry = { after = ["30s", "1m"], jitter = 0 }
reconcile = "10s"
on_ambiguous = "resend"
[[arrive]]
name = "one"
channel = "whatsapp"
to = "+972500000001"
[[fault]]
message = "one/1"
attempt = 1
answer = "lost_reply"
"""
_OTHERS = """\
[[arrive]]
name = "others"
at = "19s"
over = "5s"
count = 5
channel = "whatsapp"
to = "+97250000001{n}"
"""


def _kinds(evidence: Evidence, key: str) -> list[str]:
    story = next(story for story in evidence.chronicle.stories.values() if story.key == key)
    return [type(entry.event).__name__ for entry in story.entries]


def test_asking_a_provider_keeps_nobody_waiting() -> None:
    """While a provider takes eight seconds to say what became of a message, others pass in the pace of the lane."""
    slow = '[[provider]]\nmessage = "one/1"\nlatency = { median = "8s" }\nlooks_up = 1.0\n'
    evidence = run(_ONE + _OTHERS + slow)
    others = [handed.at_us for handed in evidence.books.handed if handed.key.startswith("others")]
    # No answer after eight seconds, none awaited after ten more, and then it is asked.
    assert sum(18_000_000 < at_us < 26_000_000 for at_us in others) >= 3
    assert statuses(evidence)["one/1"] == "sent"
    assert len(evidence.books.deliveries()) == 6


def test_what_its_provider_has_is_not_sent_again() -> None:
    """A receipt while it is in doubt, or the provider's answer at the end of that, concludes a message."""
    for side, events in (
        ('receipts = { by = "echo", delivered = "3s" }', ["AttemptProved", "ReceiptSeen"]),
        ("looks_up = 1.0", ["AttemptProved"]),
    ):
        evidence = run(f'{_ONE}[[provider]]\nlane = "whatsapp"\n{side}\n')
        assert _kinds(evidence, "one/1")[-len(events) :] == events
        assert len(evidence.books.deliveries()) == 1


def test_without_evidence_the_policy_decides() -> None:
    """Where nothing is heard it is sent again, held or given up, as its policy says, and the log says why."""
    for word, status in (("resend", "sent"), ("hold", "held"), ("fail", "dead")):
        evidence = run(_ONE.replace('on_ambiguous = "resend"', f'on_ambiguous = "{word}"'))
        assert statuses(evidence) == {"one/1": status}
        (story,) = evidence.chronicle.stories.values()
        (resolved,) = [entry.event for entry in story.entries if isinstance(entry.event, e.AmbiguityResolved)]
        assert (resolved.resolution, resolved.evidence) == (word, "policy")
