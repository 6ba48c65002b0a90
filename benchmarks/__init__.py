"""What is measured rather than tested: `make bench` and `make timings`."""
