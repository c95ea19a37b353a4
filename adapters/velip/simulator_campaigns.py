"""Campaigns of the simulated Velip, as far as lists need them: an active campaign calls everyone on its list."""

from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from adapters.velip.simulator_input import Input

if TYPE_CHECKING:
    from adapters.velip.simulator import VelipSimulation


class Campaigns:
    """Campaigns by id. A campaign that becomes active calls each number of its list once."""

    def __init__(self) -> None:
        self.known: dict[int, dict[str, Any]] = {}

    def create(self, velip: "VelipSimulation", said: Input) -> Response:
        """CreateCampaign with an existing, active list. `cp_ativo` is 1 when it is left out."""
        one = velip.ledger.lists.get(str(said.fields.get("cdlc_id", "")))
        if one is None or one.facts["active"] != 1:
            return velip.error("251", "invalid destination list")
        active = str(said.fields.get("cp_ativo", "1"))
        if active not in ("0", "1"):
            return velip.error("231", "invalid cp_ativo")
        number = 880_045 + len(self.known)
        self.known[number] = {"cp_id": number, "cp_active ": "0", "cp_destinations": len(one.rows), "list": one.id}
        if active == "1":
            self._start(velip, number)
        return velip.answer({"cp_id": str(number)})

    def change(self, velip: "VelipSimulation", said: Input) -> Response:
        """ChangeCampaign, `active` only."""
        if not said.fields.get("cp_id"):
            return velip.error("200", "no cp_id")
        number = int(said.fields["cp_id"])
        if number not in self.known:
            return velip.error("212", "not your campaign")
        active = str(said.fields.get("active", ""))
        if active not in ("0", "1"):
            return velip.error("210", "no new parameters")
        if self.known[number]["cp_active "] == active:
            return velip.error("230", "nothing to change")
        if active == "1":
            self._start(velip, number)
        else:
            self.known[number]["cp_active "] = "0"
        return velip.answer(campaigns=[_shown(self.known[number])])

    def show(self, velip: "VelipSimulation", said: Input) -> Response:
        """GetCampaignsList, one or all."""
        wanted = str(said.fields.get("cp_id") or "")
        return velip.answer(
            campaigns=[_shown(one) for number, one in self.known.items() if wanted in ("", str(number))]
        )

    def calls(self, velip: "VelipSimulation", said: Input) -> Response:
        """GetCallStatus of one campaign: every number of a list that was dialled counts as answered."""
        campaign = self.known.get(int(said.fields.get("cp_id") or 0))
        phones = velip.ledger.lists[campaign["list"]].phones if campaign and campaign.get("dialled") else []
        calls = [{"cd_id": 9_001 + place, "cd_status": "OK", "dest": phone} for place, phone in enumerate(phones)]
        return velip.answer({"pagination": {"has_more": False}}, calls=calls)

    def _start(self, velip: "VelipSimulation", number: int) -> None:
        campaign = self.known[number]
        campaign["cp_active "] = "1"
        if not campaign.get("dialled"):
            campaign["dialled"] = True
            velip.ledger.calls.extend(velip.ledger.lists[campaign["list"]].phones)


def _shown(campaign: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in campaign.items() if name.startswith("cp_")}
