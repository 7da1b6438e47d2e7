"""HTTP with one client: how much is read before it can be judged, and how long the client is waited for."""

import asyncio
import socket
import struct
from contextlib import suppress

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from groupthink.web.safety import HEADERS

LARGEST_HEAD = 64 * 1024
"""Bytes of a request's head; and of requests that come before the one ahead of them is answered."""

HEAD_WITHIN, BODY_WITHIN = 10.0, 30.0
"""Seconds in which the head of a request is there, and then its body."""

TAKES_WITHIN = 30.0
"""Seconds in which a client takes some of what is written to it, once the system takes no more in its place."""

SAID = {400: "Invalid HTTP request received.", 408: "The request did not come in time."}

FORGET = struct.pack("ii", 1, 0)
"""Of a socket that is closed with it nothing is sent any more, not even what was written before."""


class Protocol(H11Protocol):
    """uvicorn's, which ends with who does not go on: with a request, or with taking an answer.

    A client that waits for its answer may wait for as long as it takes, and one that asks for nothing more after it has
    uvicorn's own limit.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # pauses where the system does not take all that is written
        self._owed: tuple[object, object] | None = None  # a part of which request
        self._until: asyncio.TimerHandle | None = None
        self._left = 0  # bytes that were still to be taken when it was last looked
        self._look: asyncio.TimerHandle | None = None
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for timer in (self._until, self._look):
            if timer is not None:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._expect()
        if self.conn.their_state is h11.DONE and len(self.conn.trailing_data[0]) <= LARGEST_HEAD:
            self.flow.resume_reading()  # although another request is there: else nobody would see that the client goes

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._expect()

    def _expect(self) -> None:
        """Begin to wait for what the client owes now, if that is something else than before."""
        state = self.conn.their_state
        within = {h11.IDLE: HEAD_WITHIN, h11.SEND_BODY: BODY_WITHIN}.get(state)
        owed = (state, self.cycle) if within else None
        if owed == self._owed:
            return
        if self._until is not None:
            self._until.cancel()
        self._owed = owed
        self._until = self.loop.call_later(within, self._is_late) if within else None

    def _is_late(self) -> None:
        if self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]:
            self.transport.close()  # it has asked for nothing
        else:
            self._refuse(408)

    def send_400_response(self, msg: str) -> None:
        """Of what is no HTTP."""
        self._refuse(400)

    def _refuse(self, status: int) -> None:
        """End the connection; where no answer has begun, with one that has the headers that every answer has."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            headers += [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
            response = h11.Response(status_code=status, headers=[*headers, (b"connection", b"close")])
            for event in (response, h11.Data(data=SAID[status].encode()), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        if self.cycle is not None:
            self.cycle.disconnected = True  # what is at work for it has nobody to answer any more
        self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._look_again()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._look is not None:
            self._look.cancel()

    def _look_again(self) -> None:
        self._left = self.transport.get_write_buffer_size()
        self._look = self.loop.call_later(TAKES_WITHIN, self._is_stalled)

    def _is_stalled(self) -> None:
        if self.transport.get_write_buffer_size() < self._left:
            return self._look_again()
        with suppress(OSError):  # or the system would go on to keep for it what it does not take
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, FORGET)
        self.transport.abort()
