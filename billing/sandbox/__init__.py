"""A stand-in for Stripe: the part of its HTTP API, webhooks and browser script that the store uses.

It runs as a process of its own (`uvicorn --factory billing.sandbox.app:create_app`), keeps everything
in one SQLite file and imports nothing else of this project, as the real Stripe would not either.
"""
