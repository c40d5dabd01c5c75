"""Everything that people receive: reports of runs, data of figures, exported tokenizers."""
