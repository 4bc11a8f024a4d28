import { loadUws, type UwsWebSocket } from "../src/engine/uws-package.ts";

/** The same as `bare.ts` on uWebSockets.js: what Tautline is measured against on Node. */

const broadcast = process.env["BARE_BROADCAST"] ?? "{}";
const acknowledgement = process.env["BARE_ACKNOWLEDGEMENT"] ?? "{}";
/** Empty: no greeting. */
const greeting = process.env["BARE_GREETING"] ?? "";

interface Room {
  readonly name: string;
}

const uws = loadUws();
const app = uws.createApp();

app.ws<Room>("/*", {
  maxPayloadLength: 64 * 1024,
  maxBackpressure: 2 << 20,
  closeOnBackpressureLimit: true,
  compression: 0,
  idleTimeout: 0,
  sendPingsAutomatically: false,
  upgrade(response, request, context) {
    const room: Room = { name: request.getQuery() ?? "" };
    response.upgrade(room, request.getHeader("sec-websocket-key"), "", "", context);
  },
  open(socket) {
    const { name } = socket.getUserData();
    if (name !== "") socket.subscribe(name);
    if (greeting !== "") socket.send(greeting, false);
  },
  message(socket: UwsWebSocket<Room>) {
    app.publish(socket.getUserData().name, broadcast, false);
    socket.send(acknowledgement, false);
  },
  drain() {},
  ping() {},
  pong() {},
  close() {},
});

app.any("/*", (response) => {
  response.writeStatus("426 Upgrade Required");
  response.end("upgrade required", false);
});

app.listen("127.0.0.1", 0, uws.exclusivePort, (listener) => {
  if (listener === false) throw new Error("the bare server has no port");
  process.stdout.write(`bare uWebSockets.js on http://127.0.0.1:${uws.portOf(listener)}\n`);
});
