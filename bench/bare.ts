/**
 * What Tautline is measured against: `Bun.serve` with no application code. It subscribes each connection to the room that its
 * query names, publishes one constant frame per message, and answers the sender with another. The frames come from the
 * environment: the benchmark passes those that Tautline sent in the same run, so both servers move the same bytes.
 */

const broadcast = process.env["BARE_BROADCAST"] ?? "{}";
const acknowledgement = process.env["BARE_ACKNOWLEDGEMENT"] ?? "{}";
/** Empty: no greeting. */
const greeting = process.env["BARE_GREETING"] ?? "";

interface Room {
  readonly name: string;
}

const nowhere: Room = { name: "" };

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  reusePort: false,
  development: false,
  fetch(request, self) {
    const query = request.url.indexOf("?");
    const name = query === -1 ? "" : request.url.slice(query + 1);
    if (self.upgrade(request, { data: { name } })) return undefined;
    return new Response("upgrade required", { status: 426 });
  },
  websocket: {
    data: nowhere,
    maxPayloadLength: 64 * 1024,
    backpressureLimit: 2 << 20,
    closeOnBackpressureLimit: true,
    idleTimeout: 0,
    sendPings: false,
    perMessageDeflate: false,
    open(socket) {
      if (socket.data.name !== "") socket.subscribe(socket.data.name);
      if (greeting !== "") socket.send(greeting);
    },
    message(socket) {
      server.publish(socket.data.name, broadcast);
      socket.send(acknowledgement);
    },
  },
});

console.log(`bare Bun.serve on http://127.0.0.1:${server.port}`);
