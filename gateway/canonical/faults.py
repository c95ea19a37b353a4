"""The catalogue of row faults: stable codes, what each means, what to do. Data; `docs/faults.md` is made from it."""

from typing import Final

import msgspec

CATALOGUE: Final[dict[str, tuple[str, str]]] = {
    # code: (what is wrong, what to do)
    "phone.missing": ("the row has no phone number", "fill the phone column or map the right one"),
    "phone.invalid": ("the phone number is not a valid number", "send it as +<country><number>, or set default_region"),
    "phone.no_region": (
        "a national number, but neither the list nor the tenant has a default region",
        "send the international form, or set default_region",
    ),
    "phone.spreadsheet_damage": (
        "a spreadsheet has damaged the number beyond repair",
        "format the column as text and export again",
    ),
    "phone.several": ("the cell holds several numbers", "put one number in the cell, the others in rows of their own"),
    "field.unknown": ("the contact has a key that the canonical contact does not know", "put it under attributes"),
    "field.too_long": ("the value is longer than the field allows", "shorten it"),
    "field.wrong_type": ("the value has the wrong type", "send the type that the schema names"),
    "field.invalid": ("the value is not of the field's form", "correct it"),
    "field.empty": ("the value is empty where a value is needed", "fill it or leave the field out"),
    "language.invalid": ("not a BCP 47 language tag", "send a tag such as pt-BR"),
    "email.invalid": ("not an e-mail address", "correct it or leave it empty"),
    "time_zone.invalid": ("not a time zone of the tz database", "send a name such as America/Sao_Paulo"),
    "priority.invalid": ("not a whole number from 0", "send a whole number, 0 the most urgent"),
    "attribute.name_invalid": (
        "an attribute name has other characters than letters, digits and underscores, or starts with a digit",
        "rename the attribute",
    ),
    "attribute.too_many": ("the contact has more attributes than allowed", "send fewer attributes"),
    "row.too_few_cells": ("the row has fewer cells than the header", "complete the row or quote its delimiter"),
    "row.too_many_cells": ("the row has more cells than the header", "quote the cells that hold the delimiter"),
    "row.not_an_object": ("the contact is not a JSON object", "send an object with at least a phone"),
    "row.broken_json": ("the line is not valid JSON", "correct the line"),
    "row.bad_encoding": ("the row holds bytes that are not of the file's charset", "save the file as UTF-8"),
    "row.control_character": ("the row holds a control character", "remove it"),
    "value.unsafe_for_vendor": (
        "the vendor cannot carry this text safely",
        "remove quotes, backslashes, line breaks and control characters from the cell",
    ),
    "value.too_long_for_vendor": ("the value is longer than the vendor takes", "shorten it"),
    "vendor.refused": ("the vendor refused this contact", "see the detail, correct the row and send it again"),
    "vendor.refused_batch": ("the vendor refused the whole request", "see the attempt's reply, then send again"),
    "delivery.not_sent": ("nothing of it reached a vendor", "safe to send again"),
    "delivery.cancelled": ("cancelled before it was sent", "safe to send again"),
    "route.none": ("no route of the tenant takes this contact", "add a route or name a destination"),
}


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong with a row: a code of the catalogue, the column, and a sentence for a person."""

    code: str
    column: str | None = None
    detail: str = ""

    def __post_init__(self) -> None:
        if self.code not in CATALOGUE:
            raise ValueError(f"{self.code} is not in the catalogue of faults")


def fault(code: str, column: str | None = None, detail: str = "") -> Fault:
    """A fault with the catalogue's own words where no better detail is known."""
    return Fault(code, column, detail or CATALOGUE[code][0])
