"""The demonstration's catalogue: real films' facts, invented series, a dozen records of our own, invented offers."""
