import type { ClientAddress } from "../hub/address.ts";
import type { AuditEvent } from "../observe/audit.ts";
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

/** What the audit log and the metrics say of calls to the backend's routes: each once, refused ones too, nothing of their bodies. */
export class CallRecorder {
  readonly #ports: CallPorts;

  constructor(ports: CallPorts) {
    this.#ports = ports;
  }

  of({ access, method, path }: Route, request: Request, client: ClientAddress): (outcome: Outcome) => void {
    if (!RECORDED.has(access)) return IGNORED;
    return ({ code, caller }) => {
      const result = code === "OK" ? "ok" : "refused";
      this.#ports.countCall(`${method} ${path}`, result);
      this.#ports.audit({
        event: "api.called",
        userId: caller.kind === "user" ? caller.principal.id : null,
        address: client.address,
        userAgent: request.headers.get("user-agent"),
        result,
        code,
        about: { by: CALLERS[caller.kind], method, route: path },
      });
    };
  }
}

/** As the audit log names them; of a user there is the id. */
const CALLERS: Readonly<Record<Caller["kind"], string>> = { nobody: "nobody", key: "key", user: "token" };
