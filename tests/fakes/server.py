"""The server that every fake is: listens on loopback, writes down each request, plays the script, stops at gates."""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from typing import ClassVar, Self

from aiohttp import web

from fakes.faults import Answer, DieMidUpload, Fault, Garbage, HangUp, Slow
from fakes.gates import Gate, Point
from fakes.received import Received, read_body
from fakes.sending import ConnectionGoneError, Reply, canned, close, send, write_raw

Only = Callable[[Received], bool]


class FakeUpstream:
    """`async with Fake() as fake:` then `fake.url`; what came is in `fake.requests`, oldest first.

    Subclasses say which answer is right (`answer`) and which requests are work (`is_work`): a script's faults befall
    work only, so that readiness probes and warm-ups do not use them up, unless `only` says otherwise.
    """

    idle_timeout: ClassVar[float] = 75.0

    def __init__(self, *, idle_timeout: float | None = None) -> None:
        """`idle_timeout`: seconds after which an idle kept-alive connection is closed; default as the real one's."""
        self.requests: list[Received] = []
        self.url = ""
        self._idle_timeout = self.idle_timeout if idle_timeout is None else idle_timeout
        self._gates = {point: Gate() for point in Point}
        self._script: list[tuple[Fault | None, Only]] = []
        self._behaviour: Callable[[Received], Fault | None] = lambda _: None
        self._changed = asyncio.Event()
        self._per_connection: Counter[object] = Counter()
        self._runner: web.AppRunner | None = None
        self._reserved: socket.socket | None = None
        self._host, self._port = "127.0.0.1", 0

    # What a test says and asks

    def script(self, *faults: Fault | None, only: Only | None = None) -> None:
        """Queue one behaviour per coming request (None: goes well). A request takes the first whose `only` fits."""
        self._script += [(fault, only or self.is_work) for fault in faults]

    def always(self, behaviour: Fault | Callable[[Received], Fault | None] | None) -> None:
        """What befalls work that the script says nothing about; a callable is asked about every request."""
        if callable(behaviour):
            self._behaviour = behaviour
        else:
            self._behaviour = lambda received: behaviour if self.is_work(received) else None

    def hold(self, point: Point | str) -> Gate:
        """Pause every request at `point` until the gate is released; `await gate.reached()` waits for one there."""
        gate = self._gates[Point(point)]
        gate.hold()
        return gate

    def release(self, point: Point | str) -> None:
        self._gates[Point(point)].release()

    @property
    def work(self) -> list[Received]:
        """The requests that asked for work: no probes, no model lists, no warm-ups."""
        return [received for received in self.requests if self.is_work(received)]

    async def until(self, condition: Callable[[], bool], *, deadline: float | None = 5.0) -> None:
        """Wait until `condition` holds, looked at whenever a request makes progress; else TimeoutError.

        A deadline of None is none.
        """
        async with asyncio.timeout(deadline):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def go_away(self) -> None:
        """As a pod that is killed: every connection is reset, new ones are refused. The port stays ours."""
        await self._reset_connections()
        await self._stop()
        self._reserved = _bound_socket(self._host, self._port)

    async def come_back(self) -> None:
        """Listen again on the same port."""
        if self._reserved is None:
            raise RuntimeError("come_back() without go_away()")
        await self._listen(self._reserved)
        self._reserved = None

    # What a subclass says

    async def answer(self, received: Received, fault: Fault | None) -> Reply:
        """The right answer; `fault` is given for those that change a stream's content."""
        raise NotImplementedError

    def is_work(self, received: Received) -> bool:
        raise NotImplementedError

    async def refuses(self, received: Received) -> Reply | None:  # noqa: ARG002 — a hook
        """An answer given before the body is read, and before `100 Continue`, if this request gets one."""
        return None

    def common_headers(self) -> Mapping[str, str]:
        """Headers of every answer, as they are when its head is sent."""
        return {}

    def ended(self, received: Received) -> None:
        """Called at the end of every request, however it ended."""

    def broken_form(self) -> Reply:
        """The answer to a multipart body that cannot be parsed."""
        return Reply(b'{"detail":"There was an error parsing the body"}', 400)

    async def perform(self, received: Received, fault: Fault | None) -> Reply:
        """The work itself, from the complete request to the beginning of its answer."""
        received.started = self._now()
        await self.at(Point.BEFORE_ANSWER)
        if isinstance(fault, Slow):
            await asyncio.sleep(fault.before_headers)
        if isinstance(fault, Answer):
            return canned(fault)
        return await self.answer(received, fault)

    async def awake(self) -> None:
        """Awaited before anything is read; a fake whose event loop freezes during a job waits here."""

    async def at(self, point: Point) -> None:
        await self._gates[point].passage()

    # Life

    def listen_on(self, host: str, port: int) -> Self:
        """Choose a loopback address (127.0.0.0/8) and port before the start: a pod of its own; port 0 is any."""
        self._host, self._port = host, port
        return self

    async def __aenter__(self) -> Self:
        await self._listen(_bound_socket(self._host, self._port))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._reserved:
            self._reserved.close()
        await self._stop()

    async def _listen(self, sock: socket.socket) -> None:
        app = web.Application(client_max_size=1 << 40)
        app.router.add_route("*", "/{path:.*}", self._handle, expect_handler=_not_yet)
        self._port = sock.getsockname()[1]
        self.url = f"http://{self._host}:{self._port}"
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handler_cancellation=True,
            keepalive_timeout=self._idle_timeout,
            shutdown_timeout=0.01,
        )
        await self._runner.setup()
        await web.SockSite(self._runner, sock).start()

    async def _reset_connections(self) -> None:
        """Leave nothing to aiohttp's shutdown: it logs an error if a handler ends just as it gives up waiting."""
        if self._runner is None or self._runner.server is None:
            return
        for site in tuple(self._runner.sites):
            await site.stop()
        while connections := [one.transport for one in self._runner.server.connections if one.transport is not None]:
            for transport in connections:  # some may just have been accepted
                transport.abort()
            await asyncio.sleep(0)

    async def _stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()
        self._runner = None

    # One request

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        received = self._note(request)
        try:
            return await self._serve(request, received)
        except ConnectionGoneError:
            return web.Response()  # goes nowhere: the connection is closed
        except ConnectionError:  # of a write, before aiohttp has cancelled this
            received.disconnected = True
            return web.Response()  # goes nowhere either
        except asyncio.CancelledError:
            received.disconnected = True
            raise
        finally:
            received.finished = self._now()
            self.ended(received)
            self.progressed()

    def progressed(self) -> None:
        """Let `until` look again."""
        self._changed.set()

    def _note(self, request: web.Request) -> Received:
        peer = request.transport and request.transport.get_extra_info("peername")
        self._per_connection[peer] += 1
        received = Received(
            method=request.method,
            path=request.path,
            query=request.query,
            headers=request.headers,
            arrived=self._now(),
            nth_on_connection=self._per_connection[peer],
        )
        self.requests.append(received)
        self._changed.set()
        return received

    async def _serve(self, request: web.Request, received: Received) -> web.StreamResponse:
        await self.awake()
        is_form = request.content_type.startswith("multipart/")
        if not is_form:
            await self._upload(request, received, None)  # small, and `only` may want to look at it
        fault = self._fault_for(received)
        if isinstance(fault, HangUp):
            close(request, reset=fault.reset)
        if isinstance(fault, Garbage):
            write_raw(request, fault.data)
        if isinstance(fault, Answer) and fault.before_body:
            return await self._send(request, received, canned(fault), None)
        if refusal := await self.refuses(received):
            return await self._send(request, received, refusal, None)
        if is_form:
            try:
                await self._upload(request, received, fault)
            except ValueError:
                return await self._send(request, received, self.broken_form(), None)
        await self.at(Point.AFTER_UPLOAD)
        reply = await self.perform(received, fault)
        return await self._send(request, received, reply, fault)

    async def _send(
        self, request: web.Request, received: Received, reply: Reply, fault: Fault | None
    ) -> web.StreamResponse:
        reply.headers = {**self.common_headers(), **reply.headers}
        return await send(request, received, reply, fault)

    def _fault_for(self, received: Received) -> Fault | None:
        for index, (fault, only) in enumerate(self._script):
            if only(received):
                del self._script[index]
                return fault
        return self._behaviour(received)

    async def _upload(self, request: web.Request, received: Received, fault: Fault | None) -> None:
        if received.asks_first:
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # the answer's head is still to come
        async for _ in read_body(request, received):
            self._changed.set()
            await self.awake()
            size = received.audio.size if received.audio else 0
            if size:
                await self.at(Point.UPLOAD_STARTED)
            if isinstance(fault, DieMidUpload) and size >= fault.after:
                close(request, reset=True)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


async def _not_yet(_: web.Request) -> None:
    """`100 Continue` is said when the body is read."""


def _bound_socket(host: str, port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    return sock
