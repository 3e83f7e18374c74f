"""A stage for triggers of the real entry point: an emulated HaloITSM, an orchestrator, and the triggers' processes."""

from pathlib import Path
from typing import Any

from halo_emulator import HaloEmulator
from tools.orchestrator import Orchestrator
from tools.storm import STARTED, TriggerProcess, connection_to, free_port

# What no process may ever log. Every ticket of the stage has these texts, every connection has the secret.
SUMMARY = "Zinnwald payroll leak"
DETAILS = "Reported by Kowalczyk-Meier in person"
SECRET = "whsec-Ahornblatt-5521"
# A bound against hanging, not a measurement.
PATIENCE = 25.0


class Stage:
    """One Halo, one orchestrator, any number of triggers. The processes and their output stay in ``processes``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.halo = HaloEmulator()
        self.orchestrator = Orchestrator()
        self.processes: list[TriggerProcess] = []

    def __enter__(self) -> "Stage":
        self.halo.start()
        self.orchestrator.__enter__()
        return self

    def __exit__(self, *_: Any) -> None:
        for process in self.processes:
            process.kill()
        self.orchestrator.__exit__()
        self.halo.stop()

    def trigger(
        self,
        trigger: str,
        trigger_id: str | None = "one",
        *,
        interval: int = 5,
        port: bool = False,
        workspace: str = "workspace",
        dispatch_timeout: float = 5.0,
        secret: str = SECRET,
        **given: Any,
    ) -> TriggerProcess:
        """A trigger instance, not yet started."""
        given = {
            "interval": interval,
            "requests_per_five_minutes": 300,
            **({"webhook_port": free_port()} if port else {}),
            **given,
        }
        process = TriggerProcess(
            trigger,
            self.orchestrator.url,
            connection_to(self.halo, secret),
            self.folder / workspace,
            trigger_id,
            given,
            dispatch_timeout,
        )
        self.processes.append(process)
        return process

    def started(self, *processes: TriggerProcess) -> None:
        """Start triggers for the first time, all at once, and wait until they deliver what happens from now on."""
        for process in processes:
            process.start()
        for process in processes:
            assert process.says(STARTED), process.said[-2000:]

    def webhook_to(self, process: TriggerProcess, authentication: str = "hmac", **more: Any) -> None:
        """Have Halo send webhooks to a trigger."""
        url = f"http://127.0.0.1:{process.given['webhook_port']}/halo"
        self.halo.add_webhook(url, authentication=authentication, secret=SECRET, **more)

    def log_ticket(self, **fields: Any) -> int:
        """A new ticket with the texts that must not be logged. It is assigned to an agent so that it can be closed."""
        return int(self.halo.log_ticket(**{"summary": SUMMARY, "details": DETAILS, "agent_id": 3, **fields})["id"])

    def outputs(self, trigger_id: str = "one") -> list[dict[str, Any]]:
        """The events that a trigger has delivered, in order."""
        return [event.output for event in self.orchestrator.accepted if event.trigger_id == trigger_id]

    def ids(self, trigger_id: str = "one") -> list[str]:
        """Their ids."""
        return [output["event_id"] for output in self.outputs(trigger_id)]

    def steps(self, number: int, trigger_id: str = "one") -> list[tuple[int, int]]:
        """The transitions of a ticket that were delivered, in order."""
        events = [output for output in self.outputs(trigger_id) if output["ticket"]["id"] == number]
        return [(output["old_status_id"], output["new_status_id"]) for output in events]

    def comes(self, number: int, trigger_id: str = "one", times: int = 1, timeout: float = PATIENCE) -> bool:
        """Wait until so many events about a ticket have been delivered; False if that took too long."""

        def enough(events: list[Any]) -> bool:
            mine = [event for event in events if event.trigger_id == trigger_id]
            return sum(event.output["ticket"]["id"] == number for event in mine) >= times

        return self.orchestrator.wait_for(enough, timeout)
