"""The description of a data set: one module per group of columns."""
