"""The command line: ``remediation``. Exit code 0 done, 1 failed, 2 usage, 3 held or waiting, 4 input refused."""

from __future__ import annotations

import sys

import typer

from . import (
    alerts,
    approvals,
    cisco,
    comparing,
    connections,
    demo,
    devices,
    history,
    investigations,
    projects,
    reconciling,
    register,
    rounds,
    serving,
    sources,
    upkeep,
    users,
)
from .ending import STOPPED, told

# A traceback with the values of variables would show secrets.
app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)
source_app = typer.Typer(no_args_is_help=True, help="Scanners and series of files: add, list, read, remove.")
acceptance_app = typer.Typer(no_args_is_help=True, help="Accepted risks: add, renew, withdraw, list them.")
device_app = typer.Typer(no_args_is_help=True, help="Devices: list, show, join, split and release them.")
user_app = typer.Typer(no_args_is_help=True, help="People who may sign in to the pages.")
investigations_app = typer.Typer(no_args_is_help=True, help="Investigations of InsightIDR, and their tickets.")
alerts_app = typer.Typer(no_args_is_help=True, help="Alerts: the rules, and a message to try the mail server.")
cisco_app = typer.Typer(no_args_is_help=True, help="The access to Cisco's openVuln: set, remove.")
project_app = typer.Typer(no_args_is_help=True, help="Projects: create one, change its settings.")

app.command("connect")(connections.connect)
app.add_typer(source_app, name="source")
source_app.command("add")(sources.add)
source_app.command("list")(sources.show)
source_app.command("read")(sources.read)
source_app.command("compare")(comparing.compare)
source_app.command("watch")(sources.watch)
source_app.command("token")(sources.token)
source_app.command("export")(sources.export)
source_app.command("naming")(sources.naming)
source_app.command("exceptions")(sources.exceptions)
source_app.command("remove")(sources.remove)
app.command("import")(sources.import_file)
app.add_typer(project_app, name="project")
project_app.command("create")(projects.create)
project_app.command("set")(projects.change)
app.command("plan")(projects.plan)
app.command("apply", cls=projects.Approving)(projects.apply)
app.command("history")(history.history)
app.command("undo")(history.undo)
app.command("release")(approvals.release)
app.command("remake")(approvals.remake)
app.add_typer(acceptance_app, name="acceptance")
acceptance_app.command("add")(approvals.accept)
acceptance_app.command("renew")(approvals.renew)
acceptance_app.command("withdraw")(approvals.withdraw)
acceptance_app.command("send")(approvals.send)
acceptance_app.command("list")(approvals.show)
app.add_typer(device_app, name="device")
device_app.command("list")(devices.show_all)
device_app.command("show")(devices.show)
device_app.command("join")(devices.join)
device_app.command("split")(devices.split)
device_app.command("release")(devices.release)
device_app.command("register")(register.register)
app.add_typer(investigations_app, name="investigations")
investigations_app.command("add")(investigations.add)
investigations_app.command("list")(investigations.show)
investigations_app.command("ticket")(investigations.ticket)
investigations_app.command("decide")(investigations.decide)
app.add_typer(alerts_app, name="alerts")
alerts_app.command("list")(alerts.show)
alerts_app.command("send-test")(alerts.send_test)
app.command("run")(rounds.run)
app.command("reconcile")(reconciling.reconcile)
app.command("enrich")(rounds.enrich)
app.add_typer(cisco_app, name="cisco")
cisco_app.command("set")(cisco.set_access)
cisco_app.command("remove")(cisco.remove)
app.command("status")(rounds.status)
app.command("serve")(serving.serve)
app.command("worker")(serving.worker)
app.add_typer(user_app, name="user")
user_app.command("add")(users.add)
user_app.command("remove-second-factor")(users.remove_second_factor)
app.command("demo")(demo.demo)
app.command("check")(upkeep.check)
app.command("backup")(upkeep.backup)
app.command("restore")(upkeep.restore)


def main() -> None:
    """Entry point."""
    code = STOPPED
    try:
        code = app(standalone_mode=False) or 0
    except typer.Exit as done:
        code = done.exit_code
    except (typer.Abort, KeyboardInterrupt):
        pass
    except Exception as error:  # pylint: disable=broad-exception-caught  # the last place that can tell a person
        text, code = told(error)
        typer.echo(text, err=True)
    if code == STOPPED:
        typer.echo("Stopped. What was done is in the journal; the next apply goes on from there.", err=True)
    sys.exit(code)
