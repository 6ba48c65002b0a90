"""What every room stands on: files, jobs, errors, randomness, provenance."""
