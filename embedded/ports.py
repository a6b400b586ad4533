"""TCP ports of this machine: whether one is free, who holds it, which one to take."""

import socket

import psutil

from embedded.exceptions import PortInUse


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int, *, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def require_free(port: int, *, what: str, setting: str, host: str = "127.0.0.1") -> None:
    """Raises PortInUse, naming the holder where it may be known and the setting that chooses another port."""
    if is_free(port, host=host):
        return
    raise PortInUse(
        f"Port {port} on {host}, which {what} needs, is in use{_holder(port)}. "
        f"Stop that program, or choose another port: {setting}={port + 1000} make up"
    )


def _holder(port: int) -> str:
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return ""
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
            return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    return ""
