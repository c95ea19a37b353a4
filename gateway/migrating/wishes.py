"""What can be asked of a migration."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.canonical import Mode


class SourceIn(BaseModel):
    """What is to move: one list; what lies at a destination, or one list there; or everything of the tenant."""

    model_config = ConfigDict(extra="forbid")

    list: str | None = Field(None, description="a list of the gateway")
    destination: str | None = Field(None, description="all its lists, unless `remote_list` names one at the vendor")
    remote_list: str | None = Field(None, max_length=200, description="the vendor's id of a list at the destination")
    all: Literal[True] | None = Field(None, description="every list of the tenant")

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if sum(one is not None for one in (self.list, self.destination, self.all)) != 1:
            raise ValueError("must name one of `list`, `destination` and `all`")
        if self.remote_list is not None and self.destination is None:
            raise ValueError("must name the `destination` of `remote_list`")
        return self


class Wishes(BaseModel):
    """How it is to move."""

    model_config = ConfigDict(extra="forbid")

    include: Literal["unreached", "all"] = Field(
        "unreached", description="`all`: also those whom the source has reached already, so they are called twice"
    )
    activation: Mode = Field(Mode.HOLD, description="`start`: a target that dials may call as soon as it has the list")
    delete_source: bool = Field(False, description="delete the old list at its vendor once all has arrived")
    routing: Literal["shadow", "percent", "full"] | None = Field(
        None, description="what to do with new lists for the source's destinations afterwards"
    )
    percent: float | None = Field(None, gt=0, lt=100, description="for routing `percent`: of all numbers")
    vendor_options: dict[str, Any] = Field(default_factory=dict, description="for the target's adapter")

    @model_validator(mode="after")
    def _percent(self) -> Self:
        if (self.percent is not None) != (self.routing == "percent"):
            raise ValueError("must have `percent` with routing `percent`, and only then")
        return self


class PlanIn(Wishes):
    """A migration to be planned."""

    mode: Literal["plan"] = "plan"
    source: SourceIn
    target: str = Field(max_length=100, description="the destination that is to have the lists")

    def wishes(self) -> Wishes:
        return Wishes.model_validate({name: getattr(self, name) for name in Wishes.model_fields})


class ApplyIn(BaseModel):
    """A plan to be applied."""

    model_config = ConfigDict(extra="forbid")

    mode: Literal["apply"]
    plan: str = Field(max_length=100, description="the plan's id")
    digest: str | None = Field(None, max_length=100, description="apply only if the plan has this digest")


class RollbackIn(BaseModel):
    """How to go back."""

    model_config = ConfigDict(extra="forbid")

    resume: bool = Field(True, description="let a source dial again that the migration has stopped")
    delete_target: bool = Field(False, description="delete at the target what the migration made there")
