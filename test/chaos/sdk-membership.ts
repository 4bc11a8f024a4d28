import type { Message, Room } from "../../src/client/index.ts";
import type { FleetMembership } from "./fleet-client.ts";
import { fieldsOf, textOf } from "./framing.ts";
import type { Place, Receipt } from "./history.ts";
import type { ClientReport } from "./client-report.ts";
import { EVENT } from "./outbox.ts";
import { recordedAs, type receivedMessage } from "./received.ts";
import type { Recorder } from "./recorder.ts";

type Seen = ReturnType<typeof receivedMessage>;

export interface SdkMembershipPorts {
  readonly client: string;
  readonly recorder: Recorder;
  readonly report: ClientReport;
}

/** Places that came and that the SDK has not given out yet: far more than it holds back. */
const MAX_SEEN = 20_000;

/**
 * A room of the SDK, written down as the kit's own client writes down its rooms. Where the SDK leaves out a message because it has given
 * it out in an earlier epoch, under the same sender and id, the application has it: it counts as received at this place too.
 */
export class SdkMembership implements FleetMembership {
  readonly slug: string;
  readonly topic: string;
  readonly users = null;
  readonly room: Room;
  isMember = false;
  readonly #ports: SdkMembershipPorts;
  readonly #onTheWire = new Map<string, Seen>();
  readonly #givenOut = new Set<string>();
  #told: Place | null = null;
  #hasSaidSo = false;

  constructor(slug: string, room: Room, ports: SdkMembershipPorts) {
    this.slug = slug;
    this.topic = room.name;
    this.room = room;
    this.#ports = ports;
    room.on("message", (message) => this.#received(message));
    room.on("joined", (joined) => this.#joined(joined, joined.recovered));
    room.on("gap", ({ to }) => this.#skipped(to));
  }

  hasReached(place: Place): boolean {
    const { position } = this.room;
    return position !== null && position.epoch === place.epoch && position.offset >= place.offset;
  }

  cameOnTheWire(message: Seen): void {
    this.#onTheWire.set(keyOf(message), message);
    for (const oldest of this.#onTheWire.keys()) {
      if (this.#onTheWire.size <= MAX_SEEN) break;
      this.#onTheWire.delete(oldest);
    }
  }

  /** What the SDK has passed over up to its position is written down. */
  settle(): void {
    const { position } = this.room;
    if (position !== null) this.#catchUp({ ...position, offset: position.offset + 1 });
  }

  connectionLost(): void {
    this.settle();
    this.isMember = false;
  }

  #joined({ offset, epoch }: Place, isRecovered: boolean | undefined): void {
    const { client, recorder, report } = this.#ports;
    this.settle();
    const { topic } = this;
    const since = isRecovered === undefined ? null : this.room.position;
    const entry = { op: "join", client, user: client, topic, position: { offset, epoch }, since } as const;
    recorder.record({ ...entry, recovered: isRecovered ?? null });
    report.joins += 1;
    if (isRecovered === false) report.unrecovered += 1;
    if (isRecovered !== true) this.#told = { offset, epoch };
    this.#hasSaidSo = isRecovered === false;
    this.isMember = true;
  }

  /** The answer to a join has said it already, or the node says it on a live connection. */
  #skipped({ offset, epoch }: Place): void {
    const { client, recorder } = this.#ports;
    if (this.#hasSaidSo) this.#hasSaidSo = false;
    else recorder.record({ op: "gap", client, topic: this.topic, position: { offset, epoch } });
    this.#told = { offset, epoch };
  }

  #received(message: Message): void {
    const { offset, epoch, from, messageId, event, text, data, timestamp, isRecovered } = message;
    this.#catchUp(message);
    const payload = recordedAs(event === EVENT ? textOf(fieldsOf(data), "text") : (text ?? ""));
    const said = { from: String(from?.userId), id: messageId, payload, publishedAtMs: timestamp };
    const seen: Seen = { offset, epoch, ...said };
    this.#record(seen, isRecovered ? "recovery" : "live");
    this.#givenOut.add(`${seen.from} ${seen.id}`);
  }

  /** Everything between what was written down last and this place. */
  #catchUp({ offset, epoch }: Place): void {
    if (this.#told?.epoch !== epoch) return;
    for (let at = this.#told.offset + 1; at < offset; at++) {
      const passedOver = this.#onTheWire.get(keyOf({ offset: at, epoch }));
      if (passedOver !== undefined && this.#givenOut.has(`${passedOver.from} ${passedOver.id}`))
        this.#record(passedOver, "live");
    }
  }

  #record(message: Seen, via: Receipt["via"]): void {
    const { client, recorder } = this.#ports;
    recorder.record({ op: "receipt", client, topic: this.topic, via, ...message });
    this.#told = { offset: message.offset, epoch: message.epoch };
  }
}

function keyOf({ offset, epoch }: Place): string {
  return `${epoch} ${offset}`;
}
