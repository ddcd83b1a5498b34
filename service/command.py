"""The command that serves: its arguments, what it says at the start, and its exit status."""

from __future__ import annotations

import argparse
import logging
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from sqlalchemy.engine import make_url

from model.encoder import choose_device
from model.errors import DeviceError
from service import problems, settings
from service.app import create_app
from service.memory import keep_freed_memory, look_for_cycles_in_what_is_new
from service.runtime import layout, plan_for, wholly
from service.settings import Settings, SettingsError
from service.workers.nursery import Nursery

# Seconds that a thread in Python may keep the others of it waiting: a pass's few steps must not
# hold up the event loop, which everybody waits for. Python: 5 ms.
_TURN = 0.0005
_INTERRUPTED = 128 + signal.SIGINT  # the status of a command that Ctrl-C has ended


def run(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop. Returns the exit status."""
    given = _parser().parse_args(arguments)
    for path, text in (
        (given.write_settings, settings.as_markdown),
        (given.write_problems, problems.as_markdown),
    ):
        if path is not None:
            path.write_text(text(), encoding="utf-8")
            return 0
    overrides = {
        name: value for name in ("host", "port") if (value := getattr(given, name)) is not None
    }
    try:
        return serve(settings.read(**overrides))
    except SettingsError as error:
        print(f"standin: {error}", file=sys.stderr)
        return 2


def serve(chosen: Settings) -> int:
    """Listen, say so, and serve."""
    sys.setswitchinterval(_TURN)
    # Before any thread allocates.
    keep_freed_memory()
    logging.basicConfig(
        level=chosen.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # Two lines for each connection of the migrations say nothing.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # Before anything is opened or any thread begins, neither of which its children should have.
    nursery = None if chosen.decode_in == "threads" else Nursery.begin()
    try:
        return _serve(chosen, nursery)
    finally:
        if nursery is not None:
            nursery.close()


def _serve(chosen: Settings, nursery: Nursery | None) -> int:
    failed: list[Exception] = []

    def stop(error: Exception) -> None:
        failed.append(error)
        server.should_exit = True

    app = create_app(
        chosen, on_ready=look_for_cycles_in_what_is_new, on_fatal=stop, nursery=nursery
    )
    try:
        device = choose_device(chosen.device)
        listening = _listen(chosen)
    except (DeviceError, OSError) as error:
        print(f"standin: {error}", file=sys.stderr)
        return 2
    config = uvicorn.Config(
        app,
        log_level=chosen.log_level,
        access_log=chosen.log_level == "debug",
        server_header=False,
        timeout_graceful_shutdown=chosen.shutdown_seconds,
    )
    server = uvicorn.Server(config)
    plan = plan_for(chosen, device.type)
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    print(f"standin: listening on http://{shown}:{port}")
    print(f"standin: device {device}, {layout(chosen, plan, wholly(chosen, device.type))}")
    print(f"standin: store {_without_password(chosen.store_url)}")
    if chosen.is_loopback:
        print("standin: no key is configured, so it listens on the loopback address only")
    else:
        print(
            "standin: no key is configured, and whoever reaches this address may read and "
            "change everything (STANDIN_ALLOW_UNAUTHENTICATED)"
        )
    sys.stdout.flush()
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:  # uvicorn has ended in order, and raises Ctrl-C once more
        return _INTERRUPTED
    if failed:
        print(f"standin: {failed[0]}", file=sys.stderr)
        return 1
    return 0


def _listen(chosen: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in chosen.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((chosen.host, chosen.port))
    except OSError as error:
        listening.close()
        raise OSError(f"cannot listen on {chosen.host}:{chosen.port}: {error}") from error
    return listening


def _without_password(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)


def _parser() -> argparse.ArgumentParser:
    variables = "\n".join(
        f"  {settings.PREFIX}{name.upper()}: {field.description}"
        for name, field in Settings.model_fields.items()
    )
    parser = argparse.ArgumentParser(
        prog="standin",
        description="Serve Standin over HTTP. Settings are environment variables.",
        epilog=f"environment:\n{variables}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", help="before STANDIN_HOST")
    parser.add_argument("--port", type=int, help="before STANDIN_PORT")
    parser.add_argument("--write-settings", type=Path, metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("--write-problems", type=Path, metavar="FILE", help=argparse.SUPPRESS)
    return parser
