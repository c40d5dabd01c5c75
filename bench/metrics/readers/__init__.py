"""Readers: small GRUs that learn to predict the next token."""
