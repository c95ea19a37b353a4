"""Velip's words: endpoints, record keys, request and reply shapes (fact sheet sections 2 to 4, API v2)."""

from enum import StrEnum, unique
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, PositiveInt

from adapters.velip.settings import KeySet
from gateway.contract import WireIn, WireOut


@unique
class Endpoint(StrEnum):
    """The calls this adapter makes. The destination's `suffix` follows the name."""

    CREATE = "CreateDestinationBase"
    LISTS = "GetDestinationsList"
    USER = "GetUserID"


Record = dict[str, str]
"""One destination: vendor key to text."""

COLUMNS: Final = ("phone", "name", "cod_cli", "extra1", "extra2", "extra3", "extra4")
"""The columns of a list under the portal's names, which are also the only documented CSV header, in the positions of
the manual's array form (which ends at extra3)."""

RECORD_KEYS: Final = MappingProxyType(
    {
        KeySet.PORTAL: MappingProxyType({column: column for column in COLUMNS}),
        KeySet.MANUAL: MappingProxyType(
            {column: column for column in COLUMNS[:-1]} | {"phone": "number", "cod_cli": "codcli"}
        ),
    }
)
"""The key of each column in a JSON record. The manual's set has no extra4."""

ALIASES: Final = MappingProxyType(
    {
        "number": "phone",
        "tel": "phone",
        "telefone": "phone",
        "numero": "phone",
        "nome": "name",
        "codcli": "cod_cli",
    }
)
"""Other names under which Velip reads a column."""


class ListFields(WireOut):
    """The fields of CreateDestinationBase beside token and destinations."""

    name: str
    ctid: str = Field(pattern=r"^[A-Za-z0-9]{1,15}$")


class Lookup(WireOut):
    """GetDestinationsList as a read. `ctid` overrides the other filters; `maxreg` is always positive."""

    cdlc_id: PositiveInt | None = None
    ctid: str | None = Field(None, min_length=1)
    search: str | None = Field(None, min_length=1)
    list: Literal["1", "all"] = "all"
    maxreg: PositiveInt


class Deactivation(WireOut):
    """GetDestinationsList as a write. It changes every list that matches, so the one filter is not optional."""

    cdlc_id: PositiveInt
    list: Literal["all"] = "all"
    maxreg: Literal[1] = 1
    setactive: Literal[0] = 0


def _or_none(value: Any) -> Any:
    """Velip writes the text `null` for absent values in some fields."""
    return None if value in ("null", "") else value


def _text(value: Any) -> Any:
    """Numbers where text is documented, and the text `null`."""
    value = _or_none(value)
    return str(value) if isinstance(value, int) else value


Text = Annotated[str | None, BeforeValidator(_text)]
Number = Annotated[int | None, BeforeValidator(_or_none)]


class ListRow(WireIn):
    """One entry of `lists`. Numbers come as numbers (REST example) or as text (MCP example)."""

    cdlc_id: PositiveInt
    cdlc_active: int = Field(ge=0, le=1)
    cdlc_ctid: Text = None
    cdlc_name: Text = None
    cdlc_file: Text = None
    cdlc_date: Text = None
    cdlc_num: Number = None
    cdlc_deleted: Number = None

    @property
    def key(self) -> str:
        """The caller's own key of the list. The MCP pages show `0` where none was given."""
        return "" if self.cdlc_ctid in (None, "0") else str(self.cdlc_ctid)

    @property
    def purged(self) -> bool:
        """Its destinations are gone, whatever `cdlc_active` says."""
        return bool(self.cdlc_deleted)


class Created(WireIn):
    """What CreateDestinationBase says of a new list. `num_dest` None: no readable count."""

    cdlc_id: PositiveInt
    num_dest: Number = None


class User(WireIn):
    """What GetUserID says of a token's owner."""

    cdcs_id: PositiveInt
    cdcsu_id: Text = None
    aut_app: Text = None
    aut_send: Text = None
    aut_camp: Text = None
