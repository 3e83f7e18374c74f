"""Run Rapid7's rules for workflows, unmodified, on the bundles in workflows/.

Two of them ask Rapid7's extension library on the internet, which says what the library has today and nothing about the
file: they are not run. One asks for the picture that Rapid7's workflows have in the library. It is not ours to hand
out, so this rule is not satisfied, and a folder that is handed in there needs that picture instead of ours.
"""

from __future__ import annotations

import sys
from typing import Any

from icon_plugin_spec.plugin_spec import KomandPluginSpec
from icon_validator.exceptions import ValidationException
from icon_validator.rules import WORKFLOW_VALIDATORS

from tools.tree import ROOT

SPEC = "workflow.spec.yaml"
# validators 2.47.35 has these many for workflows. Fewer means that some were lost on the way.
KNOWN_RULES = 22
NEED_INTERNET = frozenset({"WorkflowUseCaseValidator", "UnapprovedKeywordsValidator"})
NOT_SATISFIED = frozenset({"WorkflowPNGHashValidator"})


def judge(rule: Any, spec: Any) -> str:
    """What a rule has against a bundle, "" for nothing."""
    try:
        rule.validate(spec)
    except ValidationException as problem:
        return str(problem)
    return ""


def main() -> int:
    """Entry point; returns the exit code."""
    failed = 0
    if len(WORKFLOW_VALIDATORS) < KNOWN_RULES:
        print(f"FAILED: {KNOWN_RULES} rules are known, {len(WORKFLOW_VALIDATORS)} are there")
        failed += 1
    rules = {type(rule).__name__: rule for rule in WORKFLOW_VALIDATORS}
    run = {name: rule for name, rule in rules.items() if name not in NEED_INTERNET}
    bundles = sorted(path.parent for path in (ROOT / "workflows").glob(f"*/{SPEC}"))
    for folder in bundles:
        spec = KomandPluginSpec(str(folder), SPEC)
        found = {
            name: problem for name, problem in ((name, judge(rule, spec)) for name, rule in run.items()) if problem
        }
        for name, problem in found.items():
            if name not in NOT_SATISFIED:
                print(f"FAILED: {folder.name}: {name}: {problem}")
                failed += 1
        print(f"{folder.name}: {len(run) - len(found)} of {len(rules)} rules are satisfied, not {', '.join(found)}")
    print(f"Not run, since they ask the internet: {', '.join(sorted(NEED_INTERNET))}")
    print(f"{', '.join(sorted(NOT_SATISFIED))} wants Rapid7's own extension.png, which is not ours to hand out.")
    return 1 if failed or not bundles else 0


if __name__ == "__main__":
    sys.exit(main())
