"""What someone paid: quotes, orders, payments, the ledger and its exports."""
