"""Prometheus metrics: calls by route, method and status; vendor requests by adapter, step and verdict.

No label holds a tenant's name, a number or a key.
"""

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest


class Metrics:
    """The metrics of one application."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._calls = Counter(
            "gateway_http_requests_total", "HTTP calls answered", ["method", "route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "gateway_http_request_seconds", "Time to answer", ["method", "route"], registry=self._registry
        )
        self._attempts = Counter(
            "gateway_vendor_attempts_total", "Vendor requests", ["adapter", "step", "verdict"], registry=self._registry
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        self._calls.labels(method, route, status).inc()
        self._seconds.labels(method, route).observe(seconds)

    def attempted(self, adapter: str, step: str, verdict: str) -> None:
        self._attempts.labels(adapter, step, verdict).inc()

    def render(self) -> tuple[bytes, str]:
        """The exposition text and its media type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST
