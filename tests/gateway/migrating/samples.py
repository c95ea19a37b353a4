"""A certificate and a plan in which every number, text and digest is another one."""

from gateway.canonical import Counts, LossEntry
from gateway.canonical.losses import LossKind
from gateway.contract import Fidelity
from gateway.migrating.documents import (
    Certificate,
    Compared,
    Fates,
    ListCertificate,
    ListPlan,
    PlanOut,
    Proof,
    RemoteOut,
    RowsOut,
    SourceSide,
    TargetSide,
)
from gateway.store.moves import Row
from gateway.vendors import FieldOut


def digest(no: int) -> str:
    """A digest like no other."""
    return f"{no:02x}" * 32


LOSSES = [
    LossEntry(field="email", kind=LossKind.DROPPED, contacts=11_861, why="the target has no field for an address"),
    LossEntry(field="description", kind=LossKind.TRUNCATED, contacts=None, why="the target keeps 128 characters"),
]
RENEWALS = ListCertificate(
    name="Renovações de novembro",
    reference="crm-2026-11",
    source=SourceSide(
        list_id="cl_0001",
        destinations=["vox-main"],
        remote_lists=[RemoteOut(id="77120", name="renewals-1", count=12_040), RemoteOut(id="77121", name="renewals-2")],
        contacts=12_345,
        digest=digest(1),
        read="vendor",
        incomplete="the second page could not be followed",
        unmanaged=17,
    ),
    proof=Proof(
        proven=True, how="the vendor says Stopped, and no call is running", at="2026-11-20T10:02:03Z", by="eva"
    ),
    counts=Fates(
        received=12_352, moves=11_960, reached=207, unclear=31, gone=43, refused=59, suppressed=3, absent=41, invalid=8
    ),
    target=TargetSide(
        list_id="cl_0002",
        destination="exotel-in",
        remote_lists=[RemoteOut(id="ls-9", name="renewals", count=11_950)],
        outcomes=Counts(
            received=11_960, accepted=11_902, rejected=21, suppressed=5, duplicate=4, pending=16, unknown=12
        ),
        contacts=11_919,
        digest=digest(2),
        read="read back",
        why="six pages of the target came late",
    ),
    compared=Compared(equal=11_709, different=13, missing=38, unexpected=6, unverified=200),
    losses=LOSSES,
    source_deleted="kept: deleting it was not planned",
)
WELCOME = ListCertificate(
    name="Welcome",
    reference=None,
    source=SourceSide(
        list_id="cl_0003", destinations=["vox-main"], remote_lists=[], contacts=2, digest=digest(3), read="store"
    ),
    proof=Proof(proven=False, how="the vendor did not answer", at="2026-11-20T10:02:44Z"),
    counts=Fates(received=2, moves=2),
    target=TargetSide(
        list_id="cl_0004",
        destination="exotel-in",
        remote_lists=[],
        outcomes=Counts(received=2, pending=2),
        contacts=0,
        digest=digest(4),
        read="nothing has left yet",
    ),
    compared=Compared(unverified=2),
    losses=[],
)
CERTIFICATE = Certificate(
    migration="mg_0005",
    tenant="acme",
    by="api key of acme",
    planned_at="2026-11-20T09:58:00Z",
    applied_at="2026-11-20T10:01:00Z",
    made_at="2026-11-20T10:09:00Z",
    source={"destination": "vox-main", "pages": [1, 2.5, None]},
    target="exotel-in",
    adapter="exotel",
    api_version="v2",
    plan=digest(5),
    include="unreached",
    counts=RENEWALS.counts + WELCOME.counts,
    outcomes=RENEWALS.target.outcomes + WELCOME.target.outcomes,
    compared=Compared(equal=11_709, different=13, missing=38, unexpected=6, unverified=202),
    losses=LOSSES,
    lists=[RENEWALS, WELCOME],
    unverified=["200 contacts of Renovações de novembro: the target shows no attributes", "Welcome: nothing has left"],
    routing=["route 2: vox-main -> exotel-in, 100 percent"],
    rollback="gateway migrate rollback mg_0005",
    rows=RowsOut(count=9_876, differing=1_234, href="/v1/migrations/mg_0005/rows", sha256=digest(6)),
)
ROWS = [
    Row(
        fate="moves",
        contact_id=f"ct_01JD4Z{no:020}",
        row=no,
        key=f"k-{no}",
        phone=f"+55119999{no:05}",
        outcome="accepted",
        compared="different",
        why="the name arrived shortened",
        losses="email dropped",
        digest=digest(16 + no % 100),
        found=digest(120 + no % 100),
    )
    for no in range(1, 251)
]
PLAN = PlanOut(
    id="pl_0006",
    digest=digest(7),
    made_at="2026-11-20T09:58:00Z",
    target="exotel-in",
    adapter="exotel",
    api_version="v2",
    counts=CERTIFICATE.counts,
    losses=LOSSES,
    fidelity=[
        FieldOut(field="phone", to="number", fidelity=Fidelity.FULL, why=""),
        FieldOut(field="email", to="", fidelity=Fidelity.NONE, why="there is no field for an address"),
    ],
    calls=1_197,
    seconds=3_661.5,
    activation="the target starts when a campaign takes the list",
    lists=[
        ListPlan(
            name=one.name,
            reference=one.reference,
            source=one.source,
            counts=one.counts,
            losses=one.losses,
            remote_lists=no,
            calls=597 + no,
            seconds=59.5 * no,
            stop=f"the vendor stops it, and list {no} says so",
            activation="passive",
            refused=None if no == 1 else "its name is too long for the target",
            notes=[f"note {no}"],
        )
        for no, one in enumerate((RENEWALS, WELCOME), start=1)
    ],
    notes=["nobody is called by both"],
    rows="/v1/migrations/mg_0005/plan/rows",
)
