"""Stripe's OpenAPI description (an excerpt) and what holds calls and answers against it."""
