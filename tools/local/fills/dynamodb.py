"""DynamoDB: PartiQL batches refused and authorised as on AWS."""

import json
import re

from ministack.core import iam_actions
from ministack.core.responses import error_response_json
from ministack.services import dynamodb

STATEMENT = re.compile(
    r"""\s*(?P<kind>INSERT\s+INTO|UPDATE|DELETE\s+FROM|SELECT\b.*?\bFROM)\s+"?(?P<table>[\w.-]+)"?(?:\."(?P<index>[^"]+)")?""",
    re.IGNORECASE | re.DOTALL,
)
ACTIONS = {
    "INSERT": "dynamodb:PartiQLInsert",
    "UPDATE": "dynamodb:PartiQLUpdate",
    "DELETE": "dynamodb:PartiQLDelete",
    "SELECT": "dynamodb:PartiQLSelect",
}
PARTIQL_CALLS = ("dynamodb:ExecuteStatement", "dynamodb:BatchExecuteStatement", "dynamodb:ExecuteTransaction")


def statements_of(data: dict) -> list[str]:
    """Collects the statements of a PartiQL request in any of its three shapes."""
    entries = data.get("Statements") or data.get("TransactStatements") or [data]
    return [entry.get("Statement") or "" for entry in entries if isinstance(entry, dict)]


def partiql_checks(action: str, body: bytes, region: str, account: str) -> list[tuple[str, str]]:
    """AWS knows no action for the PartiQL calls: each statement asks for dynamodb:PartiQLInsert, PartiQLUpdate,
    PartiQLDelete or PartiQLSelect on its table (or index). The emulator asks for dynamodb:BatchExecuteStatement.
    """
    if action not in PARTIQL_CALLS:
        return []
    try:
        data = json.loads(body or b"{}")
    except ValueError:
        return []
    checks = []
    for statement in statements_of(data):
        if found := STATEMENT.match(statement):
            index = f"/index/{found['index']}" if found["index"] else ""
            arn = iam_actions._dynamodb_table_arn(found["table"], region, account) + index
            checks.append((ACTIONS[found["kind"].split()[0].upper()], arn))
    return checks


def target_of(statement: str, parameters: list) -> tuple | None:
    """Names the item that a statement reads or writes, as (table, key); None if it cannot be told."""
    try:
        parsed = dynamodb._parse_partiql(statement, parameters)
    except ValueError:
        return None
    table = dynamodb._tables.get(parsed["table"])
    if not table:
        return None
    if parsed["op"] == "INSERT":
        item = parsed.get("item") or {}
        values = item["M"] if set(item) == {"M"} else item
    else:
        values = {name: value for name, op, value in parsed.get("conditions") or [] if op == "="}
    names = [name for name in (table.get("pk_name"), table.get("sk_name")) if name]
    if any(name not in values for name in names):
        return None
    return parsed["table"], tuple(json.dumps(values[name], sort_keys=True) for name in names)


def refusing_repeated_keys(execute):
    """AWS refuses a whole BatchExecuteStatement that names one item twice (ValidationException). The emulator runs it.

    It also refuses reads and writes in one batch.
    """

    def checked(data):
        statements = [entry for entry in data.get("Statements") or [] if isinstance(entry, dict)]
        targets = [target_of(entry.get("Statement") or "", entry.get("Parameters") or []) for entry in statements]
        known = [target for target in targets if target is not None]
        if len(set(known)) != len(known):
            return error_response_json("ValidationException", "Provided list of item keys contains duplicates", 400)
        reads = {bool(re.match(r"\s*SELECT\b", entry.get("Statement") or "", re.IGNORECASE)) for entry in statements}
        if len(reads) > 1:
            return error_response_json("ValidationException", "Statements must be all reads or all writes", 400)
        return execute(data)

    return checked


def apply() -> None:
    """Fills the holes of this module."""
    transaction_checks = iam_actions.dynamodb_transaction_checks

    def checks(action, body, region, account):
        return partiql_checks(action, body, region, account) or transaction_checks(action, body, region, account)

    iam_actions.dynamodb_transaction_checks = checks
    dynamodb._batch_execute_statement = refusing_repeated_keys(dynamodb._batch_execute_statement)
