"""Who may call the simulated Velip: tokens, and the lockouts that make a wrong one expensive."""

from adapters.velip.simulator_input import Input

_WINDOW = 600.0
_HOUR = 3_600.0

STATUS = {
    "100": "authentication failed",
    "102": "unknown sid/tsid",
    "110": "account inactive",
    "114": "MCP token",
    "131": "too many attempts",
    "198": "tokens blocked",
    "199": "IP blacklisted",
}


class Access:
    """`tokens` maps each known token to the code with which it is refused, or None. One address calls."""

    def __init__(self, tokens: dict[str, str | None]) -> None:
        self.tokens = tokens
        self.banned = False
        self.failures: list[float] = []
        self.unknown: list[float] = []

    def refusal(self, said: Input, now: float) -> tuple[str, str] | None:
        """Code and status text with which this call is refused; None: it may pass. Failures are counted."""
        code = self._code(said, now)
        return None if code is None else (code, STATUS.get(code, "authentication failed"))

    def _code(self, said: Input, now: float) -> str | None:
        if self.banned:
            return "199"
        if _within(self.failures, now, _WINDOW) >= 20:
            return "131"
        code = self._judge(said)
        if code is None:
            return None
        self.failures.append(now)
        if code == "102":
            self.unknown.append(now)
        self.banned = _within(self.unknown, now, _WINDOW) >= 15 or _within(self.failures, now, _HOUR) >= 100
        return code

    def _judge(self, said: Input) -> str | None:
        given = {token for token in (said.query_token, said.body_token, said.bearer) if token}
        if len(given) != 1:
            return "100"  # none, or several that differ
        return self.tokens.get(given.pop(), "102")


def _within(times: list[float], now: float, seconds: float) -> int:
    return sum(1 for one in times if now - one < seconds)
