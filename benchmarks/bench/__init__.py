"""What `benchmarks/run.py` is made of: programs to measure, a client, the measurements, the report."""
