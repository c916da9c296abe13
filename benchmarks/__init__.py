"""What the store costs, as multiples of a bare handler and of a one-query handler measured in the same run."""
