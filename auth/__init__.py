"""Who someone is: accounts, passwords, sessions, roles and the audit trail."""
