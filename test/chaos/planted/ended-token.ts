import { Connection } from "../../../src/hub/connection.ts";
import { patch } from "./patch.ts";

/** A connection whose token has ended goes on. */

const TOKEN_ENDED = 4001;

patch(
  Connection.prototype,
  "close",
  (close) =>
    function (this: Connection, code, reason) {
      if (code !== TOKEN_ENDED) close.call(this, code, reason);
    },
);
