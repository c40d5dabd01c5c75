"""A plug-in of quantizer-bench: the quantizer `neural-gas`, the dataset `circles` and the metric `run_length`."""
