import { expect, test } from "bun:test";
import { ChatBatch, chatMessage, handshake, messageIdOf } from "../../bench/load/client-frames.ts";

test("a real server reads every chat message of a batch: 96 bytes of JSON, each with its own id", async () => {
  const heard: string[] = [];
  const arrived = Promise.withResolvers<void>();
  using server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request, self) => (self.upgrade(request) ? undefined : new Response(null, { status: 426 })),
    websocket: {
      message(_socket, data) {
        heard.push(String(data));
        if (heard.length === 5) arrived.resolve();
      },
    },
  });
  const batch = new ChatBatch("b000", 3);
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port: server.port ?? 0,
    socket: {
      data(peer) {
        peer.write(Buffer.from(batch.next(3)));
        peer.write(Buffer.from(batch.next(2)));
      },
    },
  });
  socket.write(handshake(server.port ?? 0, "/ws", []));
  await arrived.promise;
  socket.end();
  expect(heard).toEqual([1, 2, 3, 4, 5].map((serial) => chatMessage("b000", messageIdOf(serial))));
  expect(heard.map((json) => Buffer.byteLength(json))).toEqual([96, 96, 96, 96, 96]);
});
