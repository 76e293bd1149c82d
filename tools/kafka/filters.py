"""Filters of an event source mapping of Kafka, as Lambda's guide has them.

- A record passes that fits one of the patterns; another is dropped, and its offset passed
  (https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html).
- Values and keys must be UTF-8. A pattern for JSON drops what is no JSON object or list, a pattern for a plain text drops JSON
  (https://docs.aws.amazon.com/lambda/latest/dg/kafka-filtering.html).
- The rules of patterns are those of the first page: equals, null, empty, prefix, suffix, anything-but, numeric, exists,
  equals-ignore-case, and $or.
"""

import base64
import json
import operator

COMPARISONS = {"=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
# What of a record is data, in base64; all else is compared as it stands.
DATA = ("key", "value")


def rule_fits(rule, there, value):
    """Whether a value fits one rule of a pattern; `there` says whether it is there at all."""
    if not isinstance(rule, dict):
        return there and type(rule) is type(value) and rule == value
    (name, wanted), *more = rule.items()
    if more:
        raise ValueError(f"a rule has one name, and this has more: {rule}")
    if name == "exists":
        return there == wanted
    if not there:
        return False
    if name == "anything-but":
        return value not in (wanted if isinstance(wanted, list) else [wanted])
    if name == "numeric":
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return is_number and all(COMPARISONS[sign](value, bound) for sign, bound in zip(wanted[::2], wanted[1::2], strict=True))
    texts = {"prefix": str.startswith, "suffix": str.endswith, "equals-ignore-case": lambda text, other: text.lower() == other.lower()}
    if name not in texts:
        raise ValueError(f"a rule that Lambda does not know: {name}")
    return isinstance(value, str) and texts[name](value, wanted)


def fits(pattern, value):
    """Whether a value fits a pattern: a list of rules for the value itself, or a table of patterns for its members."""
    if isinstance(pattern, list):
        return any(rule_fits(rule, True, one) for one in (value if isinstance(value, list) else [value]) for rule in pattern)
    if not isinstance(value, dict):
        return False
    for name, wanted in pattern.items():
        if name == "$or":
            if not any(fits(one, value) for one in wanted):
                return False
        elif name in value:
            if not fits(wanted, value[name]):
                return False
        elif not (isinstance(wanted, list) and any(rule_fits(rule, False, None) for rule in wanted)):
            return False
    return True


def data_fits(pattern, encoded):
    """Whether a key or value fits: what is no UTF-8 never does, JSON only a pattern for JSON, and a text only one for texts."""
    try:
        text = base64.b64decode(encoded).decode()
    except UnicodeDecodeError:
        return False
    try:
        read = json.loads(text)
    except ValueError:
        read = text
    is_json = isinstance(read, (dict, list))
    if isinstance(pattern, dict) != is_json:
        return False
    return fits(pattern, read if is_json else text)


def passes(patterns, record):
    """Whether a record passes: it fits one of the patterns, or there is none."""
    if not patterns:
        return True
    for name in DATA:
        try:
            base64.b64decode(record.get(name, "")).decode()
        except UnicodeDecodeError:
            return False
    return any(record_fits(pattern, record) for pattern in patterns)


def record_fits(pattern, record):
    rest = {name: wanted for name, wanted in pattern.items() if name not in DATA}
    data = ((pattern[name], record.get(name)) for name in DATA if name in pattern)
    return fits(rest, record) and all(encoded is not None and data_fits(wanted, encoded) for wanted, encoded in data)
