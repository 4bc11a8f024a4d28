import { jsonCodec } from "../../src/protocol/json.ts";
import { codecContract } from "./codec.ts";

codecContract({
  codec: jsonCodec,
  read(frame) {
    if (typeof frame !== "string") throw new Error("JSON goes out as text");
    return JSON.parse(frame);
  },
});
