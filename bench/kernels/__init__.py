"""Hand-written numerics, each beside the plain computation that it equals."""
