"""A client of Tautline on `websockets` 10 or later, in JSON or MessagePack.

It comes back by itself, asks for what it missed, and sends again what was not confirmed: docs/protocol.md, "What is promised".
"""

import asyncio
import json
import random
import time
import uuid
from collections import OrderedDict

import websockets

try:
    import msgpack
except ImportError:  # Only framing="msgpack" needs it.
    msgpack = None

FIRST_DELAY_S, LONGEST_DELAY_S = 0.25, 20
STABLE_AFTER_S = 30
MAX_PENDING = 1_000
MAX_SEEN_IDS = 10_000
# The node knows an id for five minutes. Later the same message could come a second time.
RESEND_WITHIN_S = 240
# After these the same again would end the same way. After any other code the client comes back.
STOP_CLOSES = {1002: "PROTOCOL_ERROR", 1007: "INVALID_DATA", 1009: "MESSAGE_TOO_LARGE", 4003: "FORBIDDEN"}
STOP_STATUSES = {400: "BAD_REQUEST", 403: "FORBIDDEN", 404: "NOT_FOUND", 426: "UPGRADE_REQUIRED"}
AGAIN = {"RATE_LIMITED", "PUBLISH_FAILED", "UNAVAILABLE", "OVERLOADED", "DRAINING", "INTERNAL"}
# A token that was only too old is another one at the next attempt.
MAX_REFUSED_TOKENS = 3


class TautlineError(Exception):
    """`code` is one of the protocol, or UNKNOWN_OUTCOME: the message was sent, and nobody knows whether it counted."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


class Pending:
    """A message that is not confirmed yet."""

    def __init__(self, frame):
        self.frame = frame
        self.first_sent_s = None
        self.confirmed = asyncio.get_running_loop().create_future()


class Client:
    """`token()` is awaited for every attempt and before a token ends. `on_message(room, message)` gets each message once,
    `on_gap(room)` is called where some are lost to this client, `on_status(text)` is for people."""

    def __init__(self, url, token, on_message, on_gap=lambda room: None, on_status=lambda text: None, framing="json"):
        if framing == "msgpack" and msgpack is None:
            raise ImportError("framing='msgpack' needs the package msgpack")
        self._url, self._token, self._framing = url, token, framing
        self._on_message, self._on_gap, self._on_status = on_message, on_gap, on_status
        self._socket = None
        self._positions = {}  # room -> {offset, epoch} of its last message; None before the first join
        self._joined = set()
        self._pending = OrderedDict()
        self._seen = OrderedDict()
        self._tasks = set()

    def join(self, room):
        self._positions.setdefault(room, None)
        self._later(0, self._send_join, room)

    async def send(self, room, text):
        """Returns the confirmation, however many connections that takes. Raises TautlineError."""
        if len(self._pending) >= MAX_PENDING:
            raise TautlineError("QUEUE_FULL")
        message_id = str(uuid.uuid4())
        frame = {"type": "chat_message", "roomSlug": room, "message": text, "messageId": message_id}
        pending = self._pending[message_id] = Pending(frame)
        try:
            await self._send_pending(pending)
            return await pending.confirmed
        finally:
            self._pending.pop(message_id, None)

    async def run(self):
        """Connects again and again. Raises TautlineError when that is pointless; cancel it to say goodbye."""
        attempt = refused_tokens = 0
        while True:
            started_s, wait_s = time.monotonic(), 0
            try:
                token = await self._token()
                protocols = [f"tautline.v1.{self._framing}", "auth", token]
                async with websockets.connect(self._url, subprotocols=protocols, max_size=None) as socket:
                    self._socket = socket
                    refused_tokens = 0
                    async for data in socket:
                        await self._handle(json.loads(data) if isinstance(data, str) else msgpack.unpackb(data))
                code, reason = socket.close_code, socket.close_reason
            except websockets.ConnectionClosed as closed:
                code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
            except websockets.InvalidHandshake as refused:
                status, headers = _status_of(refused)
                code, reason, wait_s = status, "", float(headers.get("Retry-After", 0))
                refused_tokens += status == 401
                if status in STOP_STATUSES or refused_tokens >= MAX_REFUSED_TOKENS:
                    self._stop(STOP_STATUSES.get(status, "AUTH_FAILED"))
            except (OSError, asyncio.TimeoutError):
                code, reason = 1006, ""
            finally:
                self._socket = None
                self._joined.clear()
            if code in STOP_CLOSES:
                self._stop(STOP_CLOSES[code])
            attempt = 0 if time.monotonic() - started_s > STABLE_AFTER_S else attempt + 1
            # Full jitter: those who were cut together come back apart.
            wait_s = max(wait_s, _retry_after_s(reason)) + random.random() * min(
                LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** min(attempt, 16)
            )
            self._on_status(f"away ({code}), back in {wait_s:.1f} s")
            await asyncio.sleep(wait_s)

    def _stop(self, code):
        for pending in self._pending.values():
            pending.confirmed.set_exception(TautlineError(code))
        raise TautlineError(code)

    async def _handle(self, frame):
        kind, room = frame["type"], frame.get("roomSlug")
        if kind == "connected":
            self._on_status("connected")
            for each in self._positions:
                await self._send_join(each)
        elif kind == "room_joined":
            await self._handle_joined(room, frame)
        elif kind == "recovered":
            for message in frame["messages"]:
                self._take(room, message)
        elif kind == "new_message":
            self._take(room, frame)
        elif kind == "gap":
            self._lose(room, frame)
        elif kind == "message_sent" and frame["messageId"] in self._pending:
            self._settle(frame["messageId"]).set_result(frame)
        elif kind == "error":
            self._handle_error(frame)
        elif kind == "auth_expiring":
            await self._send({"type": "refresh", "token": await self._token()})

    async def _handle_joined(self, room, frame):
        if frame.get("recovered"):
            for message in frame.get("messages", []):
                self._take(room, message)
        elif frame.get("wasRecovering"):
            self._lose(room, frame)
        elif self._positions[room] is None:
            self._positions[room] = _position_of(frame)
        self._joined.add(room)
        for pending in list(self._pending.values()):
            if pending.frame["roomSlug"] == room:
                await self._send_pending(pending)

    def _handle_error(self, frame):
        code, message_id = frame["code"], frame.get("messageId")
        wait_s = frame.get("retryAfterMs", 1_000) / 1_000
        if message_id in self._pending:
            if code in AGAIN:
                self._later(wait_s, self._send_pending, self._pending[message_id])
            else:
                self._settle(message_id).set_exception(TautlineError(code))
        elif frame.get("roomSlug") in self._positions:
            if code in AGAIN:
                self._later(wait_s, self._send_join, frame["roomSlug"])
            else:
                self._on_status(f"not in {frame['roomSlug']}: {code}")

    def _take(self, room, message):
        """A message counts once: by its position, and by its id where a restart has begun other positions."""
        here, position = _position_of(message), self._positions[room]
        if position and position["epoch"] == here["epoch"] and here["offset"] <= position["offset"]:
            return
        self._positions[room] = here
        key = (room, message["data"]["userSlug"], message["data"]["slug"])
        if key in self._seen:
            return
        self._seen[key] = True
        if len(self._seen) > MAX_SEEN_IDS:
            self._seen.popitem(last=False)
        self._on_message(room, message)

    def _lose(self, room, frame):
        self._positions[room] = _position_of(frame)
        self._on_gap(room)

    def _settle(self, message_id):
        return self._pending.pop(message_id).confirmed

    async def _send_join(self, room):
        position = self._positions[room]
        await self._send({"type": "join_room", "roomSlug": room, **({"recover": position} if position else {})})

    async def _send_pending(self, pending):
        if pending.confirmed.done() or self._socket is None or pending.frame["roomSlug"] not in self._joined:
            return
        now_s = time.monotonic()
        if pending.first_sent_s is None:
            pending.first_sent_s = now_s
        if now_s - pending.first_sent_s > RESEND_WITHIN_S:
            pending.confirmed.set_exception(TautlineError("UNKNOWN_OUTCOME"))
        else:
            await self._send(pending.frame)

    async def _send(self, frame):
        if self._socket is None:
            return
        data = json.dumps(frame) if self._framing == "json" else msgpack.packb(frame)
        try:
            await self._socket.send(data)
        except websockets.ConnectionClosed:
            pass  # `run` sees it as well, and everything that counts is sent again.

    def _later(self, wait_s, act, *args):
        async def wait():
            await asyncio.sleep(wait_s)
            await act(*args)

        task = asyncio.get_running_loop().create_task(wait())
        self._tasks.add(task)  # The loop itself keeps no task alive.
        task.add_done_callback(self._tasks.discard)


def _position_of(frame):
    return {"offset": frame["offset"], "epoch": frame["epoch"]}


def _retry_after_s(reason):
    try:
        return json.loads(reason)["retryAfterMs"] / 1_000
    except (ValueError, KeyError, TypeError):
        return 0


def _status_of(refused):
    """`websockets` has moved them twice: 10 has the fields themselves, 13 and later a response."""
    response = getattr(refused, "response", refused)
    return getattr(response, "status_code", 0), getattr(response, "headers", {})
