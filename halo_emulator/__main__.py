"""Runs the stand-in in the foreground: python -m halo_emulator [--port N] [--webhook URL --webhook-secret S]."""

import argparse
import signal
import sys
import threading

from .emulator import HaloEmulator


def main(arguments: list[str] | None = None) -> int:
    """Listens until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(prog="halo_emulator", description="A stand-in HaloITSM on loopback.")
    parser.add_argument("--port", type=int, default=8650, help="0 takes any free one (default: 8650)")
    parser.add_argument("--webhook", metavar="URL", help="send every event there")
    parser.add_argument("--webhook-secret", metavar="S", default="", help="sign deliveries with it (header Token)")
    options = parser.parse_args(arguments)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    halo = HaloEmulator(port=options.port)
    if options.webhook:
        authentication = "hmac" if options.webhook_secret else "none"
        halo.add_webhook(options.webhook, authentication=authentication, secret=options.webhook_secret)
    try:
        halo.start()
    except (OSError, SystemExit) as error:
        print(f"Cannot listen on port {options.port}: {error}", file=sys.stderr)
        return 1
    with halo:
        print(_introduction(halo, options.webhook), flush=True)
        ended.wait()
    print("Stopped.", flush=True)
    return 0


def _introduction(halo: HaloEmulator, webhook: str | None) -> str:
    lines = [
        "This is a stand-in for HaloITSM, not Halo: invented data, kept in memory, lost at the end.",
        f"Resource server       {halo.resource_server}",
        f"Authorisation server  {halo.auth_server}",
        f"Client ID             {halo.client_id}   (its own invention, worth nothing elsewhere)",
        f"Client secret         {halo.client_secret}   (likewise)",
    ]
    if webhook:
        lines.append(f"Webhook deliveries to {webhook}")
    return "\n".join([*lines, "Ctrl-C ends it."])


if __name__ == "__main__":
    sys.exit(main())
