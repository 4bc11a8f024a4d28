import * as v from "valibot";
import type { Backend } from "../hub/backend.ts";
import type { Clock } from "../observe/clock.ts";
import { ProtocolError } from "../protocol/codes.ts";
import { eventName } from "../protocol/event-name.ts";
import { isWellFormed, TopicPath } from "./fields.ts";
import { type Call, type Route, route } from "./route.ts";
import { STREAM_TYPES, StreamItems, streamTypeOf } from "./stream-items.ts";
import { StreamRun, type StreamTarget } from "./stream-run.ts";

export interface StreamPorts {
  readonly backend: Backend;
  readonly clock: Clock;
  /** Bytes of one body. */
  readonly maxBytes: number;
}

/** Streams at once. */
export const MAX_STREAMS = 100;
/** Leaves room for `.` and a number in the 64 characters of an id. */
const MAX_PREFIX_LENGTH = 50;

const StreamQuery = v.object({
  event: v.optional(eventName, "token"),
  messageId: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_PREFIX_LENGTH), v.check(isWellFormed))),
});

type StreamCall = Call<v.InferOutput<typeof TopicPath>, v.InferOutput<typeof StreamQuery>, unknown>;

/** Bodies that are published while they arrive: an answer that is still being written. */
export class Streams {
  readonly #ports: StreamPorts;
  #running = 0;

  constructor(ports: StreamPorts) {
    this.#ports = ports;
  }

  routes(): Route[] {
    return [
      route({
        ...{ method: "POST", path: "/api/stream/{topic}", access: "api", params: TopicPath, query: StreamQuery },
        summary: "Publishes each line of NDJSON, or each server-sent event, as it arrives.",
        ...{ body: null, streams: STREAM_TYPES },
        answers: { 200: { what: "how many events that were", schema: v.object({ published: v.number() }) } },
        errors: ["MESSAGE_ID_REUSED", "PUBLISH_FAILED", "OVERLOADED", "DRAINING"],
        handle: (call) => this.#answer(call),
      }),
    ];
  }

  async #answer({ request, peer, params, query, requireStanding }: StreamCall): Promise<Response> {
    const type = streamTypeOf(request.headers.get("content-type"));
    if (type === null) throw new ProtocolError("UNSUPPORTED_MEDIA_TYPE");
    const { backend, maxBytes } = this.#ports;
    const declared = Number(request.headers.get("content-length") ?? 0);
    if (declared > maxBytes) {
      throw new ProtocolError("MESSAGE_TOO_LARGE", { limit: maxBytes, actual: declared, published: 0 });
    }
    if (backend.isDraining) throw new ProtocolError("DRAINING");
    if (this.#running >= MAX_STREAMS) throw new ProtocolError("OVERLOADED");
    if (request.body === null) return Response.json({ published: 0 });
    const target: StreamTarget = { topic: params.topic, event: query.event, idPrefix: query.messageId };
    const run = new StreamRun({ ...this.#ports, requireStanding }, target, new StreamItems(type));
    this.#running += 1;
    peer.holdOpen();
    try {
      await run.run(request.body, request.signal);
      return Response.json({ published: run.published });
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      throw new ProtocolError(error.code, { ...error.details, published: run.published }, error.cause);
    } finally {
      this.#running -= 1;
      peer.letGo();
    }
  }
}
