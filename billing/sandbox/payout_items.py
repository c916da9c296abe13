"""Which balance transactions went into which automatic payout, kept in SQLite beside the objects."""

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PayoutItems:
    """What Stripe lists by `payout`, which the balance transactions themselves do not say."""

    connection: sqlite3.Connection

    def make_available(self, currency: str, *, at: int) -> None:
        """What is still pending in a currency is available from now on."""
        self.connection.execute(
            "UPDATE objects SET body = json_set(body, '$.available_on', :at) WHERE kind = 'balance_transaction'"
            " AND currency = :currency AND json_extract(body, '$.available_on') > :at",
            {"currency": currency, "at": at},
        )

    def open_sum(self, currency: str, *, at: int) -> int:
        """Net of all that is available and in no payout yet."""
        total: int = self.connection.execute(
            "SELECT coalesce(sum(net), 0) FROM not_paid_out WHERE currency = ? AND available_on <= ?", (currency, at)
        ).fetchone()[0]
        return total

    def collect(self, payout: str, currency: str, *, at: int) -> None:
        """Put all that is available and in no payout yet into this one."""
        self.connection.execute(
            "INSERT INTO payout_items (balance_transaction, payout)"
            " SELECT id, ? FROM not_paid_out WHERE currency = ? AND available_on <= ?",
            (payout, currency, at),
        )

    def add(self, payout: str, balance_transaction: str) -> None:
        """Put one into a payout: the one that the payout itself causes."""
        self.connection.execute("INSERT INTO payout_items VALUES (?, ?)", (balance_transaction, payout))

    def balance(self, *, at: int) -> list[tuple[str, int, int]]:
        """What is on the account: currency, available, pending."""
        rows = self.connection.execute(
            "SELECT currency, sum(iif(json_extract(body, '$.available_on') <= :at, json_extract(body, '$.net'), 0)),"
            " sum(iif(json_extract(body, '$.available_on') > :at, json_extract(body, '$.net'), 0))"
            " FROM objects WHERE kind = 'balance_transaction' GROUP BY currency ORDER BY currency",
            {"at": at},
        )
        return [(currency, available, pending) for currency, available, pending in rows]
