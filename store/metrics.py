"""What an operator's Prometheus asks: the invariants, and everything that waits for a person or for the worker.

All of it is read from the database, so that any one web process answers for the whole installation. How many requests
a process serves and how long they take is in its log.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from auth.ports import OpenDatabase
from store.invariants import last_findings
from store.parked_work import STUCK_REFUND

MEDIA_TYPE: Final = "text/plain; version=0.0.4"
"""Prometheus' text format; the charset comes with the answer."""

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric with its samples, each with its labels."""

    name: str
    help: str
    samples: Sequence[tuple[Labels, float]]
    kind: str = "gauge"


_WAITING: Final = f"""
    SELECT
        (SELECT count(*) FROM billing.webhook_events WHERE outcome = 'parked') AS parked_events,
        (SELECT count(*) FROM billing.webhook_events
          WHERE outcome = 'received' AND happened_at > now() - interval '1 day') AS unhandled_events,
        (SELECT count(*) FROM billing.refunds WHERE state = 'awaiting_approval') AS awaiting_refunds,
        (SELECT count(*) FROM billing.refunds AS r WHERE {STUCK_REFUND}) AS failed_refunds,
        (SELECT count(*) FROM billing.withdrawal_declarations WHERE state = 'open') AS open_withdrawals,
        (SELECT count(*) FROM store.cases WHERE state = 'open' AND due_at <= now()) AS overdue_cases,
        (SELECT count(*) FROM auth.recoveries WHERE ended_at IS NULL AND approved_at IS NULL) AS awaiting_recoveries,
        (SELECT count(*) FROM auth.password_resets
          WHERE channel = 'support' AND requested_at > now() - interval '1 hour') AS support_resets,
        (SELECT count(*) FROM auth.audit_events WHERE action IN ('password_reset.cancel', 'recovery.cancel')
          AND at > now() - interval '1 day') AS called_off,
        (SELECT coalesce(extract(epoch FROM now() - min(execute_after)), 0) FROM jobs.pgqueuer
          WHERE status = 'queued' AND execute_after <= now()) AS oldest_job
"""  # noqa: S608

_JOBS: Final = (
    "SELECT entrypoint, status::text AS status, count(*) AS count FROM jobs.pgqueuer GROUP BY 1, 2 ORDER BY 1, 2"
)

_MAILS: Final = """
    SELECT kind, status, count(*) AS count FROM store.mails WHERE created_at > now() - interval '1 day'
     GROUP BY 1, 2 ORDER BY 1, 2
"""

_REPORTS: Final = """
    SELECT kind, source, (mail_id IS NOT NULL)::text AS known, count(*) AS count FROM store.mail_reports
     WHERE received_at > now() - interval '1 day' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""

_SUPPRESSED: Final = "SELECT reason, count(*) AS count FROM store.suppressed_addresses GROUP BY 1 ORDER BY 1"

_COUNTED: Final = (
    ("videothek_mails_last_day", "Mails of the last day by kind and what became of them.", _MAILS),
    (
        "videothek_mail_reports_last_day",
        "Reports of the last day about mails that bounced, were delayed or complained about; known: of a mail of ours.",
        _REPORTS,
    ),
    ("videothek_addresses_suppressed", "Addresses that get no mail which can be left out, by reason.", _SUPPRESSED),
)
"""What is counted by labels: each column of the statement but `count` is one."""

_NAMES: Final = (
    ("parked_events", "videothek_webhook_events_parked", "Events of the payment provider that changed nothing."),
    ("unhandled_events", "videothek_webhook_events_unhandled", "Events of the last day that were not concluded."),
    ("awaiting_refunds", "videothek_refunds_awaiting_approval", "Refunds that wait for a second person."),
    (
        "failed_refunds",
        "videothek_refunds_failed",
        "Refunds that failed and were not sent again, or are refused for days.",
    ),
    ("open_withdrawals", "videothek_withdrawals_open", "Declared withdrawals that wait for a person."),
    ("overdue_cases", "videothek_cases_overdue", "Cases whose promised day for an answer is over."),
    ("awaiting_recoveries", "videothek_recoveries_awaiting_approval", "Recoveries that wait for a second person."),
    ("support_resets", "videothek_support_resets_last_hour", "Password resets that support started within an hour."),
    ("called_off", "videothek_support_actions_called_off_last_day", "What owners called off within a day."),
    ("oldest_job", "videothek_job_oldest_due_seconds", "For how long the oldest due job has been waiting."),
)


async def collect(database: OpenDatabase) -> list[Metric]:
    """Every metric as it is now; the invariants as they were counted last."""
    waiting = await database.reads.fetchrow(_WAITING)
    jobs = await database.reads.fetch(_JOBS)
    lost = await database.reads.fetchval("SELECT found FROM billing.provider_cursors WHERE name = 'events'")
    findings = await last_findings(database)
    named = [({"name": finding.invariant.name}, finding) for finding in findings]
    assert waiting is not None
    return [
        Metric(
            "videothek_invariant_cases",
            "Cases that break an invariant between money and rights; 0 while all is well.",
            [(labels, finding.count) for labels, finding in named],
        ),
        Metric(
            "videothek_invariant_checked_timestamp_seconds",
            "When an invariant was counted last.",
            [(labels, _seconds(finding.checked_at)) for labels, finding in named],
        ),
        *(Metric(name, help_text, [({}, float(waiting[column]))]) for column, name, help_text in _NAMES),
        Metric(
            "videothek_jobs",
            "Jobs by name and status; failed ones are parked.",
            [({"job": row["entrypoint"], "status": row["status"]}, row["count"]) for row in jobs],
        ),
        *[await _counted(database, *counted) for counted in _COUNTED],
        Metric(
            "videothek_lost_events_found_total",
            "Events of the payment provider that never arrived and were found on its list.",
            [({}, lost or 0)],
            kind="counter",
        ),
    ]


async def _counted(database: OpenDatabase, name: str, help_text: str, statement: str) -> Metric:
    rows = [dict(row) for row in await database.reads.fetch(statement)]
    return Metric(name, help_text, [(row, row.pop("count")) for row in rows])


def render(metrics: Iterable[Metric]) -> str:
    """The metrics in the text format."""
    return "".join(line + "\n" for metric in metrics for line in _lines(metric))


def _lines(metric: Metric) -> Iterable[str]:
    yield f"# HELP {metric.name} {metric.help}"
    yield f"# TYPE {metric.name} {metric.kind}"
    for labels, value in metric.samples:
        told = ",".join(f'{name}="{_escape(text)}"' for name, text in labels.items())
        yield f"{metric.name}{{{told}}} {value:.15g}" if told else f"{metric.name} {value:.15g}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _seconds(at: datetime) -> float:
    return at.timestamp()
