"""What all typed objects of the configuration have in common, and the types of their fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

Item = TypeVar("Item")


class Model(BaseModel):
    """An object that cannot be changed, of known keys, whose values are of the type they are written in."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        regex_engine="python-re",
    )

    @classmethod
    def fields(cls) -> dict[str, FieldInfo]:
        """Return the fields by the key that stands in files."""
        return {field.alias or name: field for name, field in cls.model_fields.items()}

    def parameters(self, *, defaults: bool = True) -> dict[str, Any]:
        """Return what is not left out as JSON has it, sorted by key; with or without defaults."""
        content = self.model_dump(
            mode="json", by_alias=True, exclude_none=True, exclude_defaults=not defaults
        )
        return dict(sorted(content.items()))


def plain(models: Mapping[str, Model]) -> dict[str, dict[str, Any]]:
    """Return the parameters of each, as a rule hands them to its script."""
    return {name: model.parameters() for name, model in models.items()}


@dataclass(frozen=True)
class OneOf:
    """The values that a field may have, where they stand in a registry.

    Attributes:
        reason: why there are no others; ends the error message.
    """

    values: Sequence[str | float]
    reason: str = ""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"enum": list(self.values)}

    def check(self, value: object) -> str | float:
        """Return the value of the list that equals `value`; 1 is 1.0, but true is not."""
        for one in self.values:
            if one == value and not isinstance(value, bool):
                return one
        raise refusal(" or ".join(map(str, self.values)) + self.reason)


def refusal(allowed: str) -> PydanticCustomError:
    """Return the error for a value that is not allowed, with what is allowed in words."""
    return PydanticCustomError("not_allowed", "{allowed}", {"allowed": allowed})


def contradiction(text: str) -> PydanticCustomError:
    """Return the error for values that exclude each other."""
    return PydanticCustomError("contradiction", "{text}", {"text": text})


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _distinct(items: list[Item]) -> list[Item]:
    if any(item in items[:index] for index, item in enumerate(items)):
        raise refusal("each item once")
    return items


def listed(item: Any) -> Any:
    """Return the type of a list that has at least one item of the type, and each once."""
    return Annotated[list[item], Field(min_length=1), DISTINCT]


DISTINCT = AfterValidator(_distinct)
WHOLE = BeforeValidator(
    _whole
)  # 64.0 is 64; it stands last, so that bounds are those of an integer
# No bound is one that a sensible run comes near; without one a slip would run for ever.
Integer = Annotated[int, Field(ge=-(10**9), le=10**9), WHOLE]
Positive = Annotated[int, Field(ge=1, le=10**12), WHOLE]
UpTo1000 = Annotated[int, Field(ge=1, le=1_000), WHOLE]
UpTo10000 = Annotated[int, Field(ge=1, le=10_000), WHOLE]
UpTo10Million = Annotated[int, Field(ge=1, le=10_000_000), WHOLE]
