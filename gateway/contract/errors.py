"""What can go wrong between the gateway and a vendor, told apart by what it means for the contacts.

VendorError                 an answer (or none) that is not a success
├── Refused                 the vendor said no and stored nothing; verdict `rejected`
│   └── NotAuthorised       the vendor did not accept the credentials; never tried again by itself
├── NotSent                 provably nothing reached the vendor; verdict `not_sent`, may be repeated
└── Unclear                 nobody knows whether the vendor acted; verdict `unknown`, look it up first
DeadlinePassed              thrown into an exchange whose `Wait` would outlive the caller's deadline
CannotDo                    the vendor has no such operation: a 422 for the caller
"""

from typing import ClassVar

from gateway.canonical.outcomes import Verdict


class VendorError(Exception):
    """An answer that is not a success. `code` is the vendor's own code where it gave one."""

    verdict: ClassVar[Verdict]

    def __init__(self, detail: str, *, code: str = "", retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.retry_after = retry_after
        """Seconds after which the vendor allows another try; None when it said nothing."""


class Refused(VendorError):
    """The vendor said no: the request is at fault, and nothing was stored."""

    verdict = Verdict.REJECTED


class NotAuthorised(Refused):
    """The vendor did not accept the credentials. Where the adapter says so, this locks the credential."""


class NotSent(VendorError):
    """The request provably had no effect: it never left, or the vendor said to come back later."""

    verdict = Verdict.NOT_SENT


class Unclear(VendorError):
    """The request may or may not have taken effect."""

    verdict = Verdict.UNKNOWN


class DeadlinePassed(Exception):
    """There is no time left for the wait that the exchange asked for."""


class CannotDo(Exception):
    """The vendor has no such operation. `verb` is what was asked, `why` what to do instead."""

    def __init__(self, verb: str, why: str) -> None:
        super().__init__(why)
        self.verb = verb
        self.why = why
