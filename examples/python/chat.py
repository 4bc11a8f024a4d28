"""A chat in the terminal: each line that is typed goes to the room, each message of the room is printed.

    TAUTLINE_TOKEN=… python3 chat.py ws://127.0.0.1:8080/ws general --framing msgpack
"""

import argparse
import asyncio
import os
import sys

from tautline_client import Client, TautlineError


async def token():
    """An application asks its own backend for a fresh one here. The environment is not in `ps`, unlike an argument."""
    return os.environ["TAUTLINE_TOKEN"]


def note(text):
    print(text, file=sys.stderr, flush=True)


def show(room, message):
    print(f"{message['data']['username']}: {message['data']['message']}", flush=True)


async def send_lines(client, room):
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    waiting = set()
    # The end of the input is no reason to leave: whoever only listens ends with Ctrl+C.
    while line := await lines.readline():
        task = loop.create_task(send_line(client, room, line.decode().rstrip("\n")))
        waiting.add(task)
        task.add_done_callback(waiting.discard)


async def send_line(client, room, text):
    try:
        confirmation = await client.send(room, text)
        note(f"confirmed as {confirmation['offset']}: {text}")
    except TautlineError as error:
        note(f"not sent, {error.code}: {text}")


async def main():
    parser = argparse.ArgumentParser(description="A chat in the terminal.")
    parser.add_argument("url")
    parser.add_argument("room")
    parser.add_argument("--framing", choices=["json", "msgpack"], default="json")
    args = parser.parse_args()
    client = Client(
        args.url,
        token,
        framing=args.framing,
        on_message=show,
        on_gap=lambda room: note(f"messages of {room} are lost"),
        on_status=note,
    )
    client.join(args.room)
    sending = asyncio.get_running_loop().create_task(send_lines(client, args.room))
    try:
        await client.run()
    except TautlineError as error:
        sys.exit(f"stopped: {error.code}")
    finally:
        sending.cancel()


try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
