"""Answers for one example of every event, each field set to something that tells it from the others.

It must never change for an event that was ever released: its golden bytes are those of this very value.
"""

from typing import Final

from core import events as e
from core.outcomes import Ambiguous, Config, Hold, OptOut, Permanent, Rate, Recipient, Transient, Window

EXAMPLES: Final[tuple[e.Event, ...]] = (
    e.MessageAccepted(channel="email", lane="mail", conversation=77, due_us=1_767_225_600_000_000),
    e.MessageAccepted(
        channel="webhook",
        lane="calls",
        conversation=78,
        due_us=1_767_225_600_000_001,
        expires_us=1_767_225_600_000_002,
        order="any",
        priority=9,
        on_ambiguous="hold",
        policy="patient",
        host=-5,
        commitment=bytes(range(32)),
        size_bytes=1234,
        trace="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        zone="Asia/Jerusalem",
    ),
    e.AttemptStarted(attempt=1, lane="mail", policy_version=2, deadline_us=1_767_225_630_000_000, probe=True),
    e.AttemptTaken(
        attempt=1,
        status="sent",
        sent_at_us=1_767_225_600_500_000,
        took_us=600,
        code="250 2.0.0",
        provider_id="queued-1",
    ),
    *(
        e.AttemptFailed(attempt=2, outcome=outcome, used=True, due_us=None, sent_at_us=None, took_us=700)
        for outcome in (
            Permanent(code="550 5.7.1", detail="refused"),
            Recipient(code="550 5.1.1", detail="no such user"),
            OptOut(code="unsubscribed", detail=""),
            Config(code="535 5.7.8", detail="bad credentials"),
            Window(code="131047", detail="closed"),
        )
    ),
    *(
        e.AttemptFailed(
            attempt=3,
            outcome=outcome,
            used=False,
            due_us=1_767_225_660_000_000,
            sent_at_us=1_767_225_600_000_000,
            took_us=0,
        )
        for outcome in (
            Transient(code="503", detail="busy", after_us=5_000_000),
            Rate(code="429", detail="slow down", scope="account", after_us=None),
            Hold(code="131049", detail="cap", after_us=86_400_000_000),
            Ambiguous(code="timeout", detail=""),
        )
    ),
    e.AttemptAborted(attempt=1, reason="stopping", due_us=1_767_225_600_000_000),
    e.AmbiguityResolved(attempt=1, resolution="resend", evidence="policy"),
    e.MessageDeferred(due_us=1_767_225_600_000_000, reason="quiet_hours"),
    e.MessageHeld(by="unknown"),
    e.MessageReleased(due_us=1_767_225_600_000_000),
    e.MessageSetAside(),
    e.MessageRescheduled(due_us=1_767_225_600_000_000),
    e.MessageRedriven(due_us=1_767_225_600_000_000, job=4711),
    e.CancelRequested(reason="asked"),
    e.MessageCancelled(reason="asked"),
    e.MessageExpired(),
    e.MessageDead(reason="exhausted"),
    e.FailureCounted(streak=3),
    e.FailuresCleared(),
    e.CircuitOpened(until_us=1_767_225_660_000_000, streak=5, openings=2),
    e.CircuitClosed(by="probe"),
    e.ConversationPaused(until_us=1_767_225_660_000_000, code="131056"),
    e.LaneOpened(name="mail", channel="email"),
    e.PolicyAdopted(version=3, body=b'{"name":"email"}'),
    e.LanePaused(by="config", code="535 5.7.8"),
    e.LaneResumed(),
    e.LaneThrottled(until_us=1_767_225_660_000_000, host=6, code="429"),
    e.BreakerOpened(until_us=1_767_225_660_000_000, faults=50, outcomes=100, openings=1, host=6),
    e.BreakerClosed(host=6),
    e.DaemonStarted(boot=2, seed=9_223_372_036_854_775_807, release="0.1.0"),
    e.DaemonStopped(boot=2),
    e.KeyAdded(digest=bytes(range(16)), tenant_of_key="org1", role="operate", label="the dashboard"),
    e.KeyAdded(digest=bytes(16), tenant_of_key=None, role="admin", label=""),
    e.KeyRevoked(),
    e.RedriveStarted(
        channel="email", lane=None, conversation=None, before_us=1_767_225_600_000_000, count=12, per_s=2.5
    ),
    e.RedriveAdvanced(moved=5, after=4711),
    e.RedriveEnded(moved=12, reason="done"),
    # -- schema version 2 of what came before, and what came with hooks, receipts, devices and plans
    e.MessageAccepted(
        channel="whatsapp",
        lane="meta",
        conversation=79,
        due_us=1_767_225_600_000_003,
        expires_us=1_767_225_600_000_004,
        order="fifo",
        priority=1,
        on_ambiguous="fail",
        policy="patient",
        host=-6,
        commitment=bytes(range(32)),
        size_bytes=77,
        trace="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        zone="Asia/Jerusalem",
        lanes=("meta", "green"),
        fallbacks=2,
        fallback_by_us=1_767_225_600_000_005,
        has_template=True,
        marketing=True,
        caused_by="hook",
    ),
    e.AttemptStarted(
        attempt=2, lane="meta", policy_version=3, deadline_us=1_767_225_630_000_001, probe=True, by_template=True
    ),
    *(
        e.AttemptFailed(attempt=4, outcome=outcome, used=True, due_us=None, sent_at_us=None, took_us=701)
        for outcome in (
            Permanent(code="100", detail="refused"),
            Transient(code="131053", detail="media", after_us=5_000_001, retries_max=2),
            Rate(code="131056", detail="pair", scope="pair", after_us=1_000_000, growth=4),
            Recipient(code="131026", detail="undeliverable", soft=True),
            OptOut(code="131050", detail="stopped", marketing=True),
            Config(code="190", detail="token"),
            Hold(code="131049", detail="cap", after_us=86_400_000_001),
            Window(code="131047", detail="closed"),
            Ambiguous(code="timeout", detail=""),
        )
    ),
    e.AmbiguityResolved(attempt=1, resolution="resend", evidence="policy", due_us=1_767_225_660_000_001),
    e.ConversationPaused(until_us=1_767_225_660_000_001, code="131056", refusals=2),
    e.LaneResumed(by="provider"),
    e.ReconcileStarted(attempt=1, until_us=1_767_225_720_000_000),
    e.AttemptProved(attempt=1, evidence="look_up", provider_id="3EB0", code="queued"),
    e.LaneChanged(lane="green", due_us=1_767_225_600_000_006, reason="down"),
    e.ReceiptSeen(
        status="failed",
        attempt=1,
        told_us=1_767_225_600_000_007,
        code="131026",
        failure=Recipient(code="131026", detail="", soft=True),
        provider_id="wamid.X",
    ),
    e.FallbackStarted(message=4712, channel="email"),
    e.FallbackRefused(code="invalid:/lane"),
    e.PaceRestored(),
    e.WindowOpened(until_us=1_767_312_000_000_000),
    e.WindowClosed(code="131047"),
    e.PeerStruck(strikes=2),
    e.PeerSuppressed(scope="marketing", reason="optout", code="131050"),
    e.PeerRestored(by="reached", marketing=True),
    e.DeviceRegistered(platform="android", app="shop", commitment=bytes(range(32))),
    e.DeviceSeen(),
    e.DeviceStaled(),
    e.DeviceInvalidated(code="UNREGISTERED"),
    e.DeviceRemoved(reason="moved"),
    e.PlanSet(revision=2, reminders=3, commitment=bytes(range(32))),
    e.PlanApplied(revision=2, created=1, moved=2, cancelled=3, kept=4, commitment=bytes(range(32))),
    e.StrayKept(
        lane="meta",
        name=bytes(range(16)),
        status="delivered",
        told_us=1_767_225_600_000_008,
        code="",
        failure=Recipient(code="noAccount"),
    ),
    e.StrayClaimed(message=4713),
    e.StrayDropped(),
    # -- outcomes that were settled in our own house
    *(
        e.AttemptFailed(attempt=5, outcome=outcome, used=True, due_us=None, sent_at_us=None, took_us=702)
        for outcome in (
            Permanent(code="content_gone", unasked=True),
            Recipient(code="no_device", unasked=True),
            Hold(code="store_unavailable", after_us=1_000_000, unasked=True),
        )
    ),
    e.ReceiptSeen(status="failed", attempt=2, failure=Permanent(code="expired")),
    e.StrayKept(lane="meta", name=bytes(range(16)), status="failed", failure=Recipient(code="131026", soft=True)),
    e.MessageRescheduled(due_us=1_767_225_600_000_000, zone="Asia/Jerusalem"),
    e.ShadowBegan(name="patient", body=b'{"name":"patient"}'),
    e.ShadowTold(
        decisions=7,
        alike=5,
        contrasts=(e.Contrast(was="retried", would="dead", count=2),),
        samples=(
            e.Sample(
                at_us=1_767_225_600_000_000,
                message=4711,
                attempt=3,
                was="retried",
                would="dead",
                was_due_us=1_767_225_660_000_000,
            ),
        ),
        starts=6,
        delayed=1,
        delayed_us=1_000_000,
        longest_us=1_000_000,
    ),
    e.ShadowEnded(by="successor"),
    e.PolicyPromoted(version=4, body=b'{"name":"patient"}', instead_of=bytes(range(32))),
    # -- pushes and their parts
    e.MessageAccepted(
        channel="push", lane="fcm", conversation=80, due_us=1_767_225_600_000_009, fans_out=True, is_part=True
    ),
    e.EndTold(status="failed"),
    e.PolicySet(name="patient", version=2, body=b'{"name":"patient"}'),
    e.DaemonStarted(boot=3, seed=7, release="0.2.0", key_check=bytes(range(16))),
    e.AttemptAborted(attempt=1, reason="lease", due_us=1_767_225_600_000_000),
    # -- somebody is forgotten
    e.ErasureStarted(channel="email", conversation=81, commitment=bytes(range(32))),
    e.ErasureAdvanced(messages=500, cancelled=3, plans=1),
    e.SubjectErased(messages=512, cancelled=3, devices=2, plans=1),
)
