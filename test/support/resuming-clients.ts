import * as v from "valibot";

/**
 * A program: clients in a room that come back with their position whenever they are ended. Arguments: the port and tokens with commas. It
 * prints `joined` once all are members, and for each message whose text begins with `mark` a line once all of them have it.
 */

const Frame = v.looseObject({
  type: v.string(),
  offset: v.optional(v.number()),
  epoch: v.optional(v.string()),
  recovered: v.optional(v.boolean()),
  messages: v.optional(v.array(v.unknown())),
  data: v.optional(v.looseObject({ message: v.optional(v.string()) })),
});
type Frame = v.InferOutput<typeof Frame>;

const [port, tokens = ""] = process.argv.slice(2);
const marks = new Map<string, number>();
let joined = 0;
/** Messages that came out of order or not at all. */
let holes = 0;
let returns = 0;

class Client {
  readonly #token: string;
  #offset = 0;
  #epoch: string | null = null;

  constructor(token: string) {
    this.#token = token;
  }

  connect(): void {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws?token=${this.#token}`);
    const recover = this.#epoch === null ? undefined : { offset: this.#offset, epoch: this.#epoch };
    socket.onopen = () => socket.send(JSON.stringify({ type: "join_room", roomSlug: "r", recover }));
    socket.onmessage = ({ data }) => this.#take(v.parse(Frame, JSON.parse(String(data))));
    socket.onclose = () => {
      returns += 1;
      setTimeout(() => this.connect(), Math.random() * 200);
    };
  }

  #take(frame: Frame): void {
    if (frame.type === "room_joined") this.#joined(frame);
    if (frame.type === "recovered") for (const message of frame.messages ?? []) this.#message(v.parse(Frame, message));
    if (frame.type === "new_message") this.#message(frame);
  }

  #joined(frame: Frame): void {
    if (this.#epoch === null) {
      this.#offset = frame.offset ?? 0;
      joined += 1;
      if (joined === clients.length) console.log("joined");
    } else if (frame.recovered !== true) {
      holes += 1;
    }
    this.#epoch = frame.epoch ?? null;
    for (const message of frame.messages ?? []) this.#message(v.parse(Frame, message));
  }

  #message({ offset = 0, data }: Frame): void {
    if (offset !== this.#offset + 1) holes += 1;
    this.#offset = offset;
    const text = data?.message ?? "";
    if (!text.startsWith("mark")) return;
    const count = (marks.get(text) ?? 0) + 1;
    marks.set(text, count);
    if (count === clients.length) console.log(`${text} seen with ${holes} holes after ${returns} returns`);
  }
}

const clients = tokens.split(",").map((token) => new Client(token));
for (const client of clients) client.connect();
