"""`target_representations.csv`: 16 columns of the table of experiments, for Metabu and for people."""

import pandas as pd

from metaprobe.config.configurations import BLANK_WHEN_ZERO, TARGET_COLUMNS

DECIMALS = {"test_accuracy": 4, "train_accuracy": 4, "test_loss": 4, "training_time_sec": 1}


def target_table(experiments: pd.DataFrame) -> pd.DataFrame:
    """Return the 16 columns: metrics rounded, hyperparameters not in use blank."""
    table = experiments[list(TARGET_COLUMNS)].copy()
    for name, decimals in DECIMALS.items():  # Python rounds exactly, pandas does not
        table[name] = [round(value, decimals) for value in table[name].tolist()]
    for name in BLANK_WHEN_ZERO:
        table[name] = table[name].where(table[name] != 0)
    return table
