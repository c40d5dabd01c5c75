"""Records -> tables, comparisons, claims and costs."""
