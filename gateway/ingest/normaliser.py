"""One raw row to one contact, or to all that is wrong with it."""

from typing import Any, Final

from gateway.canonical import Contact, Fault
from gateway.canonical.contacts import MAX_ATTRIBUTES, TEXT_FIELDS
from gateway.canonical.faults import fault
from gateway.ingest.calling_codes import Phone
from gateway.ingest.columnwise import usual_contacts
from gateway.ingest.explain import faults_of
from gateway.ingest.forms import FORMS, HIGHEST_PRIORITY, LONGEST_NAME, LONGEST_VALUE, as_priority, is_carriable
from gateway.ingest.json_values import BROKEN, as_sent, decode_item
from gateway.ingest.keys import first_key
from gateway.ingest.phones import known_region, normalise_phone
from gateway.ingest.source import Block, CsvBlock, CsvRow, JsonRow, RawRow, Rejected

_TEXTS: Final = frozenset(TEXT_FIELDS)


class Normaliser:
    """Makes contacts of rows. Knows nothing of a list but how its rows are laid out: any row may come first.

    A contact's key is its first choice (see `first_key`); `Keys` settles those that a list repeats.
    """

    def __init__(self, default_region: str | None) -> None:
        self._region = known_region(default_region)

    def take_all(self, block: Block) -> list[Contact | Rejected]:
        """The contact of each row, or the row with all its faults."""
        if not isinstance(block, CsvBlock):
            return [self.take(raw) for raw in block]
        usual = usual_contacts(block, self._region)
        return [self._from_cells(block.row(place)) if one is None else one for place, one in enumerate(usual)]

    def take(self, raw: RawRow) -> Contact | Rejected:
        """The contact of this row, or the row with all its faults."""
        if isinstance(raw, CsvRow):
            return self._from_row(raw)
        return self._from_item(raw)

    def _from_row(self, raw: CsvRow) -> Contact | Rejected:
        if raw.faults:
            return self._from_cells(raw)
        return self.take_all(CsvBlock.of((raw,)))[0]

    def _from_cells(self, raw: CsvRow) -> Contact | Rejected:
        layout, cells = raw.layout, raw.cells
        width = len(layout.columns)
        if len(cells) != width and (len(cells) < width or any(cell.strip() for cell in cells[width:])):
            return self._misshapen(raw)
        values: dict[str, Any] = {name: text for place, name in layout.fields if (text := cells[place].strip())}
        attributes = {name: text for place, name in layout.attributes if (text := cells[place].strip())}
        if "priority" in values:
            values["priority"] = as_priority(values["priority"])
        phone = cells[layout.phone]
        document = values | {"phone": phone.strip(), "attributes": attributes}
        found = faults_of(document, self._region, lambda field: layout.mapping.get(field, field))
        damaged = {one.column for one in raw.faults}
        faults = raw.faults + tuple(one for one in found if one.column not in damaged)
        if faults:
            return self._refuse(raw, faults, values.get("id"))
        return self._contact(raw.row, phone, document)

    def _misshapen(self, raw: CsvRow) -> Rejected:
        given, wanted = len(raw.cells), len(raw.layout.columns)
        code = "row.too_few_cells" if given < wanted else "row.too_many_cells"
        return self._refuse(raw, (Fault(code, None, f"{given} cells, the header has {wanted}"),), None)

    def _refuse(self, raw: CsvRow, faults: tuple[Fault, ...], contact_id: str | None) -> Rejected:
        columns = raw.layout.columns
        cells = dict(zip(columns, raw.cells, strict=False))
        for place in range(len(columns), len(raw.cells)):
            name = f"column {place + 1}"
            cells[name if name not in columns else f"{name} (beyond the header)"] = raw.cells[place]
        phone = raw.cells[raw.layout.phone] if raw.layout.phone < len(raw.cells) else ""
        return Rejected(row=raw.row, faults=faults, phone_text=phone, id=contact_id, cells=cells)

    def _from_item(self, raw: JsonRow) -> Contact | Rejected:
        item, problem = decode_item(raw.item)
        if problem == BROKEN:
            return Rejected(row=raw.row, faults=(fault("row.broken_json"),), cells={"line": as_sent(item)})
        if not isinstance(item, dict):
            code = "row.not_an_object" if problem is None else problem
            return Rejected(
                row=raw.row, faults=(fault(code),), cells={"value" if problem is None else "line": as_sent(item)}
            )
        if problem is None:
            contact = self._quick_item(raw.row, item)
            if contact is not None:
                return contact
        document = given(as_sent(item))
        faults = (() if problem is None else (fault(problem),)) + faults_of(document, self._region)
        if not faults:
            return self._contact(raw.row, document["phone"], document)
        phone, contact_id = document.get("phone", ""), document.get("id")
        return Rejected(
            row=raw.row,
            faults=faults,
            phone_text=phone if isinstance(phone, str) else str(phone)[:LONGEST_NAME],
            id=contact_id if isinstance(contact_id, str) else None,
            cells=as_sent(item),
        )

    def _quick_item(self, row: int, item: dict[str, Any]) -> Contact | None:
        values = {name: value for name, value in item.items() if value is not None}
        phone, attributes = values.pop("phone", None), values.pop("attributes", None)
        if not isinstance(phone, str) or not (attributes is None or isinstance(attributes, dict)):
            return None
        kept = {name: value for name, value in (attributes or {}).items() if value is not None}
        if len(kept) > MAX_ATTRIBUTES:
            return None
        for name, value in kept.items():
            if type(value) is not str or len(name) > LONGEST_NAME or not (name.isidentifier() and name.isascii()):
                return None
        for name, value in values.items():
            if name in _TEXTS:
                if type(value) is not str or not value:
                    return None
            elif name != "priority" or type(value) is not int:
                return None
        texts = [value for value in values.values() if type(value) is str]
        return self._quick(row, phone, values, kept, is_carriable("".join([phone, *texts, *kept.values()])))

    def _quick(
        self, row: int, phone_text: str, values: dict[str, Any], attributes: dict[str, str], carriable: bool
    ) -> Contact | None:
        """The contact, when all is well at first sight; None leaves it to the model to say what is wrong."""
        phone = normalise_phone(phone_text.strip(), self._region)
        if type(phone) is not Phone or not carriable:
            return None
        for name, value in values.items():
            if name == "priority":
                if not 0 <= value <= HIGHEST_PRIORITY:
                    return None
                continue
            longest, matches = FORMS[name]
            if len(value) > longest or (matches is not None and not matches(value)):
                return None
        if attributes and (len(attributes) > MAX_ATTRIBUTES or max(map(len, attributes.values())) > LONGEST_VALUE):
            return None
        return _contact_of(row, phone, phone_text, values, attributes)

    def _contact(self, row: int, phone_text: str, document: dict[str, Any]) -> Contact:
        phone = normalise_phone(phone_text.strip(), self._region)
        assert isinstance(phone, Phone)
        values = {name: value for name, value in document.items() if name in _TEXTS and value}
        if document.get("priority") is not None:
            values["priority"] = document["priority"]
        return _contact_of(row, phone, phone_text, values, document.get("attributes", {}))


def given(document: dict[str, Any]) -> dict[str, Any]:
    """The document without nulls, which mean "not given", and with whole floats as the integers that they are."""
    kept = {name: value for name, value in document.items() if value is not None}
    attributes = kept.get("attributes")
    if isinstance(attributes, dict):
        kept["attributes"] = {name: value for name, value in attributes.items() if value is not None}
    priority = kept.get("priority")
    if isinstance(priority, float) and priority.is_integer():
        kept["priority"] = int(priority)
    return kept


def _contact_of(row: int, phone: Phone, phone_text: str, values: dict[str, Any], attributes: dict[str, str]) -> Contact:
    return Contact(
        row=row,
        key=first_key(phone.e164, values.get("id")),
        phone=phone.e164,
        region=phone.region,
        phone_text=phone_text,
        attributes=attributes,
        **values,
    )
