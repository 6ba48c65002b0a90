"""The hyperparameters of results as a ConfigSpace, with what means something only beside what."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from metaprobe.config.conditions import values_beside
from metaprobe.core.errors import UserError

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace


def space(values: Mapping[str, Sequence[Any]], seed: int | None = None) -> "ConfigurationSpace":
    """Return the space of all combinations of values.

    Text is categorical, a number ordinal; one value is a constant. A hyperparameter that means
    nothing beside a value of another one, as momentum beside Adam, is inactive there.

    Args:
        values: hyperparameter -> those that it has.
        seed: of what is sampled from the space.

    Raises:
        UserError: ConfigSpace is not installed.
    """
    try:
        import ConfigSpace
    except ModuleNotFoundError:
        raise UserError("space() needs the package ConfigSpace: pip install ConfigSpace") from None
    made = ConfigSpace.ConfigurationSpace(seed=seed)
    made.add(*(_one(name, sorted(set(found))) for name, found in values.items()))
    made.add(*_conditions(made, values))
    return made


def _one(name: str, values: Sequence[Any]) -> Any:
    import ConfigSpace

    if len(values) == 1:
        return ConfigSpace.Constant(name, values[0])
    if isinstance(values[0], str):
        return ConfigSpace.CategoricalHyperparameter(name, values)
    return ConfigSpace.OrdinalHyperparameter(name, values)


def _conditions(made: "ConfigurationSpace", values: Mapping[str, Sequence[Any]]) -> list[Any]:
    import ConfigSpace

    found = []
    for name in values:
        given = {
            beside: values_beside(name, beside, sorted(set(values[beside]))) for beside in values
        }
        own = [
            ConfigSpace.InCondition(made[name], made[beside], chosen)
            for beside, chosen in given.items()
            if chosen
        ]
        if own:
            found.append(own[0] if len(own) == 1 else ConfigSpace.AndConjunction(*own))
    return found
