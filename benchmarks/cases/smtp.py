"""`smtp`: 5,000 emails accepted while the lane is paused, then delivered to a local SMTP server.

Answers for: the email side by itself, beside aiosmtplib sending finished mails on connections that it keeps.
Must never: include the acceptance; the clock starts at the resumption.
"""

from benchmarks.bare import MAIL_CONNECTIONS
from benchmarks.daemon import Settings, daemon
from benchmarks.figures import Figure, Mark
from benchmarks.load import EMAIL, Plan
from benchmarks.loading import load
from benchmarks.measures import bare, draining
from benchmarks.sinks import smtp_sink
from benchmarks.sitting import Sitting

_MESSAGES = 5_000
_LANE = "mail"


def run(sitting: Sitting) -> list[Figure]:
    """Mails a second."""

    def ours() -> float:
        room = sitting.room()
        with smtp_sink(room) as sink, daemon(room, Settings(smtp_port=sink.port)) as target:
            target.pause(_LANE)
            load(Plan(port=target.port, key=target.key, count=_MESSAGES, channel=EMAIL), room)
            return draining(target, sink, _MESSAGES, _LANE).rate

    def client() -> float:
        room = sitting.room()
        with smtp_sink(room) as sink:
            return bare(room, "smtp", sink.port, _MESSAGES, MAIL_CONNECTIONS)

    rates = sitting.alternate({"tidings": ours, "bare aiosmtplib": client})
    return [
        Figure(
            case="smtp",
            what="mails after a pause",
            unit="mail/s",
            values=tuple(rates["tidings"]),
            limit="bare aiosmtplib, reused",
            limits=tuple(rates["bare aiosmtplib"]),
            marks=(Mark(first_line=0.6, aim=0.8),),
        )
    ]
