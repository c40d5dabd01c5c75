"""The gate: a baseline of metrics, and whether quality has fallen since (`bench baseline`, `bench check`)."""
