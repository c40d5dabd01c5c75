"""Training of tokenizers: the loop, replicas, schedules, references, and the check of the contract."""
