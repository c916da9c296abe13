"""What the tables' metadata cannot say: books that only grow, journals that balance, views and rights."""

from typing import Final

_BOOKS: Final = ("journals", "postings", "documents")
"""Tables that are only ever added to."""

DDL: Final[tuple[str, ...]] = (
    # The first markets' standard rates: UStG 12(1) after the reduction of 2020 had ended, UStG (Austria) 10(1).
    # Rows that exist are left as finance set them.
    """
    INSERT INTO billing.tax_rates (country, category, valid_from, rate_bp) VALUES
        ('DE', 'standard', '2021-01-01', 1900), ('AT', 'standard', '2016-01-01', 2000)
    ON CONFLICT DO NOTHING
    """,
    # What support may give back alone; rows that exist are left as finance set them.
    """
    INSERT INTO billing.refund_limits (currency, needs_approval_above, per_agent_and_day) VALUES ('EUR', 2000, 30000)
    ON CONFLICT DO NOTHING
    """,
    # To whom debits are offered; rows that exist are left as finance set them.
    """
    INSERT INTO billing.debit_rules (currency, card_days) VALUES ('EUR', 30) ON CONFLICT DO NOTHING
    """,
    # Card testing; rows that exist are left as finance set them.
    """
    INSERT INTO billing.try_limits (name, most, within) VALUES
        ('account_openings', 10, '1 hour'), ('address_openings', 30, '1 hour'),
        ('account_declines', 5, '1 hour'), ('address_declines', 15, '1 hour'), ('device_declines', 5, '1 hour'),
        ('account_cards', 3, '1 day'), ('card_declines', 5, '1 day'), ('card_accounts', 3, '1 day')
    ON CONFLICT DO NOTHING
    """,
    """
    CREATE OR REPLACE FUNCTION billing.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'billing.% is append-only: book a correction instead', TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END $$
    """,
    """
    CREATE OR REPLACE FUNCTION billing.journal_balances() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        journal uuid := (to_jsonb(NEW) ->> TG_ARGV[0])::uuid;
        balance numeric;
        sides bigint;
    BEGIN
        SELECT coalesce(sum(minor), 0), count(*) INTO balance, sides
        FROM billing.postings WHERE journal_id = journal;
        IF balance <> 0 OR sides < 2 THEN
            RAISE EXCEPTION 'journal % does not balance: % in % postings', journal, balance, sides
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NULL;
    END $$
    """,
    *(
        f"""
        CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE ON billing.{table}
        FOR EACH ROW EXECUTE FUNCTION billing.refuse_change()
        """
        for table in _BOOKS
    ),
    *(
        f"""
        CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON billing.{table}
        FOR EACH STATEMENT EXECUTE FUNCTION billing.refuse_change()
        """
        for table in _BOOKS
    ),
    # What finance says of a movement can be decided once, and then stays as the booking does.
    """
    CREATE OR REPLACE TRIGGER decided_for_good BEFORE UPDATE OR DELETE ON billing.resolutions
    FOR EACH ROW WHEN (OLD.state <> 'awaiting_approval') EXECUTE FUNCTION billing.refuse_change()
    """,
    """
    CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON billing.resolutions
    FOR EACH STATEMENT EXECUTE FUNCTION billing.refuse_change()
    """,
    # A constraint trigger cannot be replaced, so it is dropped first.
    *(
        statement
        for table, key in (("journals", "id"), ("postings", "journal_id"))
        for statement in (
            f"DROP TRIGGER IF EXISTS balanced ON billing.{table}",
            f"""
            CREATE CONSTRAINT TRIGGER balanced AFTER INSERT ON billing.{table}
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION billing.journal_balances('{key}')
            """,
        )
    ),
    """
    CREATE OR REPLACE FUNCTION billing.currency_digits(currency text) RETURNS int IMMUTABLE LANGUAGE sql AS $$
        SELECT CASE
            WHEN currency IN (
                'ADP', 'AFN', 'ALL', 'BIF', 'BYR', 'CLP', 'DJF', 'ESP', 'GNF', 'IQD', 'IRR', 'ISK', 'ITL', 'JPY',
                'KMF', 'KPW', 'KRW', 'LAK', 'LBP', 'LUF', 'MGA', 'MGF', 'MMK', 'MRO', 'PYG', 'RSD', 'RWF', 'SLL',
                'SOS', 'STD', 'SYP', 'TMM', 'TRL', 'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF', 'XPF', 'YER', 'ZMK',
                'ZWD'
            ) THEN 0
            WHEN currency IN ('BHD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 3
            WHEN currency IN ('CLF', 'UYW') THEN 4
            ELSE 2
        END
    $$
    """,
    # One line per money event: what the lists, the totals and the CSV are read from, and what finance may query.
    # Payouts are none: they bring the same money from one account of ours to another.
    """
    CREATE OR REPLACE VIEW billing.transactions AS
    SELECT
        journal.id AS journal_id, journal.booked_at, journal.kind, journal.order_number,
        journal.document_number AS invoice_number, journal.customer_pseudonym AS customer, journal.country,
        sums.tax_rate, journal.currency, sums.gross, sums.net, sums.tax, sums.to_refund, journal.payment_id,
        journal.description, sums.fees, sums.elsewhere
    FROM billing.journals AS journal
    CROSS JOIN LATERAL (
        SELECT
            coalesce(sum(minor) FILTER (WHERE account LIKE 'clearing:%'), 0)::bigint AS gross,
            coalesce(-sum(minor) FILTER (WHERE account LIKE 'revenue:%'), 0)::bigint AS net,
            coalesce(-sum(minor) FILTER (WHERE account LIKE 'vat:%'), 0)::bigint AS tax,
            coalesce(-sum(minor) FILTER (WHERE account = 'liability:refunds'), 0)::bigint AS to_refund,
            string_agg(DISTINCT split_part(account, ':', 3), ' ') FILTER (WHERE account LIKE 'vat:%') AS tax_rate,
            coalesce(-sum(minor) FILTER (WHERE account ~ '^(fees|loss):'), 0)::bigint AS fees,
            coalesce(-sum(minor) FILTER (WHERE account ~ '^(bank|receivable):'), 0)::bigint AS elsewhere
        FROM billing.postings WHERE postings.journal_id = journal.id
    ) AS sums
    WHERE journal.kind NOT IN ('payout', 'payout_reversal')
    """,
    """
    DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'videothek_app') THEN
            REVOKE UPDATE, DELETE, TRUNCATE ON billing.journals, billing.postings, billing.documents
                FROM videothek_app;
            REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON billing.try_limits, billing.debit_rules FROM videothek_app;
            GRANT SELECT ON billing.transactions TO videothek_app;
        END IF;
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'videothek_finance') THEN
            GRANT USAGE ON SCHEMA billing TO videothek_finance;
            GRANT SELECT ON ALL TABLES IN SCHEMA billing TO videothek_finance;
            REVOKE ALL ON billing.idempotent_answers, billing.payment_tries, billing.withdrawal_declarations
                FROM videothek_finance;
        END IF;
    END $$
    """,
)
"""Run after the tables stand; safe to run again."""
