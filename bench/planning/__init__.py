"""Request -> plan: rows, sources, capacities, and cells with their keys."""
