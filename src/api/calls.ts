import type { ClientAddress } from "../hub/address.ts";
import type { AuditEvent } from "../observe/audit.ts";
import { ERRORS } from "../protocol/codes.ts";
import type { Caller } from "./callers.ts";
import type { Access, Outcome, Route } from "./route.ts";

/** `route` is the method and the path of the table, never what was asked for. */
export type CountCall = (route: string, result: AuditEvent["result"]) => void;

export interface CallPorts {
  readonly audit: (event: AuditEvent) => void;
  readonly countCall: CountCall;
}

/** Whose calls are recorded: those of programs that act on everybody. */
const RECORDED: ReadonlySet<Access> = new Set(["monitor", "api"]);

const IGNORED = (): void => undefined;

/**
 * What the audit log and the metrics say of calls to the backend's routes: each once, refused ones too, nothing of their bodies. Of the
 * routes for users the audit log says who was turned away, and who asked for too much.
 */
export class CallRecorder {
  readonly #ports: CallPorts;

  constructor(ports: CallPorts) {
    this.#ports = ports;
  }

  of({ access, method, path }: Route, request: Request, client: ClientAddress): (outcome: Outcome) => void {
    const about = { method, route: path };
    const from = { address: client.address, userAgent: request.headers.get("user-agent") };
    if (access === "user") {
      return ({ code, caller }) => {
        const event = refusalOf(code, caller);
        if (event === null) return;
        const userId = userIdOf(caller);
        this.#ports.audit({ event, userId, ...from, result: "refused", code, isUnbounded: true, about });
      };
    }
    if (!RECORDED.has(access)) return IGNORED;
    return ({ code, caller }) => {
      const result = code === "OK" ? "ok" : "refused";
      this.#ports.countCall(`${method} ${path}`, result);
      this.#ports.audit({
        event: "api.called",
        userId: userIdOf(caller),
        ...from,
        result,
        code,
        isUnbounded: true,
        about: { by: CALLERS[caller.kind], ...about },
      });
    };
  }
}

/** As the audit log names them; of a user there is the id. */
const CALLERS: Readonly<Record<Caller["kind"], string>> = { nobody: "nobody", key: "key", user: "token" };

function userIdOf(caller: Caller): string | null {
  return caller.kind === "user" ? caller.principal.id : null;
}

/** What a refusal on a route for users is worth; null: nothing. */
function refusalOf(code: Outcome["code"], caller: Caller): AuditEvent["event"] | null {
  if (code === "OK" || code === "INTERNAL") return null;
  if (caller.kind === "user") return code === "RATE_LIMITED" ? "rate.limited" : null;
  return ERRORS[code].status === 401 ? "auth.failed" : "access.denied";
}
