"""The sandbox: engines, clock, mails and accounts for `make run`; no production module imports it."""
