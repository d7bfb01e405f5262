"""A local web server that other web pages cannot use: what every page of Genarium is served with.

A server on 127.0.0.1 can be reached by any page that its user has open: by a plain cross-site
request, or under a name that the other site lets point to 127.0.0.1. `Guard` therefore refuses
every request whose Host is not one of the server's own addresses or whose Origin is foreign, and
paths that try to leave where they are, before the application sees them.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any
from urllib.parse import unquote, urlsplit

from genarium import extras
from genarium.errors import UserError

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
ANY = ("0.0.0.0", "::", "")
TRIES = 20
BODY = 64 * 1024
"""The largest body of a request, in bytes."""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        b"connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


class Guard:
    """ASGI middleware: refuses what does not come from the server's own pages.

    port: of the server. host: the address it is bound to. names: further host names that people
    reach it by, on any port (a name in the local network, a reverse proxy's).

    bodies: the largest body of requests to these paths, in bytes by the path's beginning; `BODY`
    for all others.

    403: a foreign or missing Host, a foreign Origin, a cross-site request other than a followed
    link, a path with `..`, a backslash or NUL, plain or percent-encoded once or twice.
    413: a larger body. 411: one of unknown length.
    """

    def __init__(
        self,
        app: App,
        port: int,
        host: str = LOOPBACK[0],
        names: Iterable[str] = (),
        bodies: Mapping[str, int] | None = None,
    ):
        self.app = app
        self.bodies = dict(bodies or {})
        own = {*LOOPBACK, f"[{host}]" if ":" in host else host} - set(ANY)
        self.own = {f"{name.lower()}:{port}" for name in own}
        if port == 80:
            self.own |= {name.lower() for name in own}
        self.names = {name.lower() for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        refused = self.refusal(scope)
        if refused is None:
            return await self.app(scope, receive, _with_headers(send))
        if scope["type"] == "websocket":  # closed before it is accepted: the client sees 403
            return await send({"type": "websocket.close", "code": 1008})
        status, why = refused
        body = why.encode()
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
        start = {"type": "http.response.start", "status": status}
        await _with_headers(send)({**start, "headers": [*headers, (b"connection", b"close")]})
        await send({"type": "http.response.body", "body": body})

    def refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Status and reason for a request that is refused, None for one that may pass."""
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        hosts = headers.get("host", [])
        if len(hosts) != 1 or not self._known(hosts[0]):
            return 403, "foreign Host"
        if any(not self._own_origin(origin) for origin in headers.get("origin", [])):
            return 403, "foreign Origin"
        method = scope.get("method", "GET")  # a websocket's handshake is a GET
        followed = method in ("GET", "HEAD") and headers.get("sec-fetch-mode") == ["navigate"]
        if headers.get("sec-fetch-site") == ["cross-site"] and not followed:
            return 403, "cross-site request"
        if _leaves(scope.get("raw_path", b"").decode("latin-1")) or _leaves(scope["path"]):
            return 403, "path refused"
        if "transfer-encoding" in headers:
            return 411, "length required"
        length = headers.get("content-length", ["0"])[0]
        if not length.isdigit() or int(length) > self._most(scope["path"]):
            return 413, "body too large"
        return None

    def _most(self, path: str) -> int:
        """The largest body of a request to `path`."""
        return next((most for start, most in self.bodies.items() if path.startswith(start)), BODY)

    def _known(self, host: str) -> bool:
        host = host.lower()
        return host in self.own or host in self.names or host.rpartition(":")[0] in self.names

    def _own_origin(self, origin: str) -> bool:
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        whole = f"{parts.scheme}://{parts.netloc}" == origin  # no user, path or query
        return parts.scheme in ("http", "https") and whole and self._known(parts.netloc)


def _leaves(path: str) -> bool:
    """Whether a path, as it is or decoded once or twice, has `..`, a backslash or NUL."""
    forms = (path, unquote(path), unquote(unquote(path)))
    return any(".." in form.split("/") or "\\" in form or "\0" in form for form in forms)


def _with_headers(send: Send) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message["headers"]}
            extra = [header for header in HEADERS if header[0] not in given]
            message = {**message, "headers": [*message["headers"], *extra]}
        await send(message)

    return wrapped


def require(verb: str) -> None:
    """Raise UserError when the packages of the extra `studio` are not installed."""
    extras.expect("studio", f"`genarium {verb}`")


def listen(host: str, port: int) -> socket.socket:
    """A listening socket on `port`, or on the next free one of the `TRIES` after it.

    port 0: any free one. Raises UserError for an address that is not this machine's, a port that
    may not be used, or none free.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise UserError(f"--host {host}: no such address; 127.0.0.1 is this machine") from None
    for tried in range(port, min(port + TRIES, 65535) + 1):
        # the protocol by name: else asyncio does not send small replies at once, but 40 ms later
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((address[0], tried, *address[2:]))
            sock.listen(128)
        except OSError as error:
            sock.close()
            if error.errno == errno.EADDRINUSE:
                continue
            reason = (error.strerror or str(error)).lower()
            raise UserError(
                f"--host {host} --port {tried}: cannot listen there ({reason}): choose others"
            ) from None
        return sock
    raise UserError(f"--port {port}: it and the {TRIES} after it are busy, choose another")


def run(app: App, sock: socket.socket) -> None:
    """Serve until Ctrl-C or SIGTERM; answers that were begun are finished."""
    import uvicorn

    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
        lifespan="off",
    )
    uvicorn.Server(config).run(sockets=[sock])
