"""Metrics of the order of codes: neighbourhoods in the data, on the lattice, and between both."""
