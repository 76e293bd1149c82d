"""API Gateway: a domain name in front of an HTTP API, and pages of other origins."""

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


def in_case_of_api(cors: dict) -> dict:
    """A stack's CORS configuration is an API's. The emulator keeps it by CloudFormation's names (`AllowOrigins`), and reads
    it by those of the API (`allowOrigins`).
    """
    return {name[:1].lower() + name[1:]: value for name, value in cors.items()}


def apply() -> None:
    """Fills the holes of this module."""
    for name in ("_cors_response_headers", "_cors_preflight_response"):
        answer = getattr(apigateway, name)
        setattr(apigateway, name, lambda cors, origin, answer=answer: answer(in_case_of_api(cors), origin))
    parse = app._parse_execute_api_url

    def parsed(host, path):
        return api_of(path) if path.startswith(DOMAIN) else parse(host, path)

    app._parse_execute_api_url = parsed
