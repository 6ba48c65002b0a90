"""What a run has written, as tables for whoever has nothing but NumPy, pandas and Arrow."""
