"""What CloudFormation makes of a template: SAM's own translator, then parameters, conditions and rules resolved as CloudFormation does.

What only AWS knows stays a word: `<Queue>` for `!Ref Queue`, `<Queue.Arn>` for `!GetAtt Queue.Arn`.
"""

import copy
import functools
import json
import logging
import os
import re
from pathlib import Path

from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

ROOT = Path(__file__).parents[2]
PLATFORM = ROOT / "template.yaml"
TENANT = ROOT / "infra" / "tenant.yaml"
# Every folder with a package is a function.
FUNCTIONS = len(list(ROOT.glob("functions/*/Cargo.toml")))
FUNCTION = "AWS::Serverless::Function"
PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::URLSuffix": "amazonaws.com",
}
NOTHING = object()

logging.getLogger("samtranslator").setLevel(logging.ERROR)
# The translator asks for the region, and for nothing else of AWS.
os.environ["AWS_DEFAULT_REGION"] = PSEUDO["AWS::Region"]


def read(path):
    """The template as data, with `!Ref x` as {"Ref": "x"}."""
    return yaml_parse(path.read_text())


def values(template, parameters=None):
    """The value of each parameter: what is given, else its default. What AWS itself says (`AWS::AccountId`) may be given, too."""
    found = {name: str(body["Default"]) for name, body in template["Parameters"].items() if "Default" in body}
    unknown = set(parameters or {}) - set(template["Parameters"]) - set(PSEUDO)
    if unknown:
        raise ValueError(f"the template has no parameters {sorted(unknown)}")
    return found | {name: str(value) for name, value in (parameters or {}).items()}


def is_platform(template):
    """Whether SAM translates it."""
    return "Transform" in template


def translate(template, parameters=None, code="code"):
    """What SAM makes of the template. `code` stands for what `sam package` uploads."""
    if not is_platform(template):
        return copy.deepcopy(template)
    given = tuple(sorted(values(template, parameters).items()))
    return json.loads(translated(json.dumps(template), given, code))


@functools.cache
def translated(template, given, code):
    """The same as text: the tests ask for the same again and again."""
    template = json.loads(template)
    for name, resource in template["Resources"].items():
        if resource["Type"] == FUNCTION:
            resource["Properties"]["CodeUri"] = {"Bucket": "artifacts", "Key": f"{name}-{code}"}
    return json.dumps(transform(template, dict(given), Policies()))


class Policies:
    """The names of AWS's managed policies; the template uses none."""

    def load(self):
        """An empty list."""
        return {}


class Resolver:
    """Resolves a translated template with the values of its parameters."""

    def __init__(self, translated, parameters=None):
        self.template = translated
        self.values = values(translated, parameters)
        self.conditions = {}

    def resources(self):
        """Each resource that is made, resolved."""
        made = {}
        for name, body in self.template["Resources"].items():
            if "Condition" in body and not self.condition(body["Condition"]):
                continue
            made[name] = {key: self.value(part) for key, part in body.items() if key != "Condition"}
        return made

    def broken_rules(self):
        """What CloudFormation says before it makes anything."""
        said = []
        for rule in self.template.get("Rules", {}).values():
            if "RuleCondition" in rule and not self.truth(rule["RuleCondition"]):
                continue
            said += [a["AssertDescription"] for a in rule["Assertions"] if not self.truth(a["Assert"])]
        return said

    def condition(self, name):
        """Whether a named condition holds."""
        if name not in self.conditions:
            self.conditions[name] = self.truth(self.template["Conditions"][name])
        return self.conditions[name]

    def truth(self, body):
        """Whether a condition holds."""
        ((function, of),) = body.items()
        if function == "Condition":
            return self.condition(of)
        if function == "Fn::Equals":
            left, right = (str(self.value(part)) for part in of)
            return left == right
        if function == "Fn::Contains":
            return str(self.value(of[1])) in [str(self.value(part)) for part in of[0]]
        parts = {"Fn::Not": of, "Fn::And": of, "Fn::Or": of}[function]
        truths = [self.truth(part) for part in parts]
        return {"Fn::Not": not truths[0], "Fn::And": all(truths), "Fn::Or": any(truths)}[function]

    def value(self, body):
        """A property's value."""
        if isinstance(body, list):
            return [part for part in (self.value(item) for item in body) if part is not NOTHING]
        if not isinstance(body, dict):
            return body
        if len(body) == 1:
            ((function, of),) = body.items()
            if function == "Ref":
                return self.name(of)
            if function.startswith("Fn::"):
                return self.function(function, of)
        resolved = ((key, self.value(part)) for key, part in body.items())
        return {key: part for key, part in resolved if part is not NOTHING}

    def name(self, name):
        """What `!Ref` gives."""
        if name == "AWS::NoValue":
            return NOTHING
        value = self.values.get(name, PSEUDO.get(name))
        if value is None:
            return f"<{name}>"
        is_list = self.template["Parameters"].get(name, {}).get("Type", "").endswith("List")
        return value.split(",") if is_list else value

    def function(self, function, of):
        """What an intrinsic function gives."""
        if function == "Fn::If":
            return self.value(of[1] if self.condition(of[0]) else of[2])
        if function == "Fn::GetAtt":
            return f"<{of if isinstance(of, str) else '.'.join(of)}>"
        if function == "Fn::Join":
            return of[0].join(str(part) for part in self.value(of[1]))
        if function == "Fn::Sub":
            text, local = (of, {}) if isinstance(of, str) else of
            local = self.value(local)

            def replaced(match):
                name = match.group(1)
                return "${" + name[1:] + "}" if name.startswith("!") else str(local.get(name, self.name(name)))

            return re.sub(r"\$\{([^}]+)\}", replaced, text)
        raise ValueError(f"the tests do not know {function}")


def made(template, parameters=None, code="code"):
    """The resources that a deployment with these parameters makes."""
    return Resolver(translate(template, parameters, code), parameters).resources()
