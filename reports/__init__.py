"""Reports: records, as tables, to text that one can send. They see no models."""
