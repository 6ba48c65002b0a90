"""Which hyperparameters mean something only beside certain values of others; needs no pydantic."""

from collections.abc import Collection
from typing import Any

# The optimisers, and the hyperparameters that mean something to them but not to all.
OPTIMIZER_OPTIONS: dict[str, tuple[str, ...]] = {
    "Adam": (),
    "AdamW": (),
    "SGD": ("momentum",),
    "RMSprop": ("momentum",),
    "Adagrad": (),
}
OF_SOME_OPTIMIZERS = tuple(
    dict.fromkeys(name for own in OPTIMIZER_OPTIONS.values() for name in own)
)
# What means something to heads that are trained step by step only.
# Their defaults are left alone, as a completed configuration has them all.
OF_STEPS = {"learning_rate": 0.0, "optimizer": "Adam", "batch_size": 64, "schedule": "constant"}
OF_STEPS |= {"trainable": "head", "augmentation": "none"}
OF_STEPS |= dict.fromkeys(("weight_decay", "momentum", "dropout_rate", "label_smoothing"), 0)
OF_STEPS |= dict.fromkeys(("grad_clip", "warmup_epochs", "patience", "views"), 0)
OF_STOPPING = ("min_delta", "monitor")
OF_TUNING = ("layer_decay", "head_epochs", "backbone_learning_rate", "batchnorm", "cache_precision")
WHOLE_BACKBONE = ("all", "bias")  # has no cut, and so nothing that enters it is cached


def optimizers_with(name: str) -> list[str]:
    """Return the optimisers to which a hyperparameter means something."""
    return [one for one, own in OPTIMIZER_OPTIONS.items() if name in own]


def means_something(name: str, beside: str, value: Any) -> bool:
    """Return whether a hyperparameter means something where another one, `beside`, has a value."""
    match beside:
        case "head":
            return name not in OF_STEPS or value == "linear"
        case "optimizer":
            return name not in OF_SOME_OPTIMIZERS or name in OPTIMIZER_OPTIONS[value]
        case "patience":
            return name not in OF_STOPPING or value > 0
        case "augmentation":
            return name != "views" or value != "none"
        case "schedule":
            return name != "warmup_epochs" or value != "one_cycle"
        case "trainable":
            cached = name != "cache_precision" or value not in WHOLE_BACKBONE
            return name not in OF_TUNING or (value != "head" and cached)
    return True


def values_beside(name: str, beside: str, values: Collection[Any]) -> list[Any] | None:
    """Return the values of `beside` at which a hyperparameter means something; None: at all of them."""
    chosen = [value for value in values if means_something(name, beside, value)]
    return chosen if len(chosen) < len(values) else None
