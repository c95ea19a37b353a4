"""A strict Exotel: address book, lists, CSV uploads and campaigns behind HTTP Basic. Written from the fact sheet only.

Undocumented variants are attributes of `simulator_frame.Frame`, to be set by tests.
"""

from starlette.routing import Route

from adapters.exotel.simulator_frame import Handler
from adapters.exotel.simulator_uploads import Uploads

ACCOUNT = "/v2/accounts/{account}"


class ExotelSimulation(Uploads):
    """One account at Exotel."""

    def routes(self) -> list[Route]:
        table: list[tuple[str, str, Handler]] = [
            ("POST", "/lists", self.create_lists),
            ("GET", "/lists", self.get_lists),
            ("PUT", "/lists", self.update_lists),
            ("GET", "/lists/{sid}", self.get_list),
            ("PUT", "/lists/{sid}", self.update_list),
            ("DELETE", "/lists/{sid}", self.delete_list),
            ("POST", "/lists/{sid}/contacts", self.add_contacts),
            ("GET", "/lists/{sid}/contacts", self.get_list_contacts),
            ("DELETE", "/lists/{sid}/contacts/{contact}", self.remove_contact),
            ("POST", "/contacts/csv-upload", self.upload),
            ("GET", "/csv-status/{upload}", self.upload_status),
            ("POST", "/contacts", self.create_contacts),
            ("GET", "/contacts", self.get_contacts),
            ("PUT", "/contacts", self.update_contacts),
            ("GET", "/contacts/{contact}", self.get_contact),
            ("PUT", "/contacts/{contact}", self.update_contact),
            ("DELETE", "/contacts/{contact}", self.delete_contact),
            ("POST", "/campaigns", self.create_campaigns),
            ("PUT", "/campaigns/{campaign}", self.change_campaign),
        ]
        return [Route(ACCOUNT + path, self._guarded(handler), methods=[method]) for method, path, handler in table]
