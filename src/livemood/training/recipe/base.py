"""What all sections of a recipe have in common."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator

from livemood.training.recipe.renamed import refuse_renamed


class Section(BaseModel):
    """Frozen; fields that it does not know are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    section: ClassVar[str] = ""
    """Its name in a recipe."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_renamed(cls, given: Any) -> Any:  # noqa: ANN401 - whatever was read
        if isinstance(given, dict):
            refuse_renamed(cls.section, given)
        return given
