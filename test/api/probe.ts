import { Hono } from "hono";
import { CallRecorder } from "../../src/api/calls.ts";
import { Callers } from "../../src/api/callers.ts";
import { errorResponse, toProtocolError } from "../../src/api/errors.ts";
import { answerRoute, type Peer, type Route } from "../../src/api/route.ts";
import type { AuditEvent } from "../../src/observe/audit.ts";
import { NOW_S, signed } from "../auth/tokens.ts";
import { FakeClock } from "../support/clock.ts";
import { addressesBehindProxy, callerPorts } from "./default-ports.ts";

/** Routes that a test makes up, behind the real parts that stand in front of every route. */

export const API_KEY = "kN4vQ8-the-key-of-the-backend-xW2";
export const APP = "https://app.example";

interface Env {
  Bindings: { peer: Peer };
}

export class Probe {
  readonly audited: AuditEvent[] = [];
  readonly failures: unknown[] = [];
  readonly #app = new Hono<Env>();

  constructor(routes: readonly Route[], apiKey: string | null = API_KEY, allowedOrigins: readonly string[] = [APP]) {
    const clock = new FakeClock();
    const addresses = addressesBehindProxy();
    const callers = new Callers(callerPorts(clock, { apiKey, allowedOrigins }));
    const calls = new CallRecorder({ audit: (event) => this.audited.push(event), countCall() {} });
    for (const route of routes) {
      this.#app.on(route.method, route.path.replace(/\{(\w+)\}/g, ":$1"), (context) => {
        const request = context.req.raw;
        const { peer } = context.env;
        const client = addresses.find(peer.address, (name) => request.headers.get(name));
        return answerRoute(route, callers, { request, peer, client }, calls.of(route, request, client));
      });
    }
    this.#app.onError((error) => {
      const known = toProtocolError(error, (failure) => this.failures.push(failure));
      const { status, headers, body } = errorResponse(known, clock.now());
      return new Response(body, { status, headers });
    });
  }

  async fetch(request: Request, address = "192.0.2.1"): Promise<Response> {
    return this.#app.fetch(request, { peer: { address, holdOpen() {} } });
  }

  /** Status, and the code of the body or the body itself. */
  async ask(path: string, init: RequestInit = {}, address?: string): Promise<readonly [number, unknown]> {
    const response = await this.fetch(new Request(`http://localhost${path}`, init), address);
    const body: unknown = await response.json();
    const isError = typeof body === "object" && body !== null && "code" in body;
    return [response.status, isError ? body.code : body];
  }
}

/** A good token of the clock of these tests. */
export function jwt(claims: Readonly<Record<string, unknown>> = {}): string {
  return signed({ sub: "ada", exp: NOW_S + 600, iat: NOW_S, ...claims });
}
