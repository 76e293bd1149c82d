"""API Gateway: a domain name in front of an HTTP API."""

from ministack import app
from ministack.services import apigateway

DOMAIN = "/_domain/"


def api_of(path: str) -> tuple[str, str, str] | None:
    """An HTTP API gets a name of its own by a domain name in the DNS and a mapping, so that its address is known before it
    is made. Loopback has no DNS: `http://127.0.0.1:<port>/_domain/<name of the API>/<path>` stands for it.
    """
    name, _, rest = path.removeprefix(DOMAIN).partition("/")
    for (_, _, api_id), api in apigateway._apis.all_items():
        if api.get("name") == name:
            return api_id, "$default", "/" + rest
    return None


def apply() -> None:
    """Fills the holes of this module."""
    parse = app._parse_execute_api_url

    def parsed(host, path):
        return api_of(path) if path.startswith(DOMAIN) else parse(host, path)

    app._parse_execute_api_url = parsed
