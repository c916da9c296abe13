"""Third-party front-end files: fetched from npm by a lock file, copied, never committed."""
