import { type Context, Hono } from "hono";
import { cors } from "hono/cors";
import { methodNotAllowed } from "hono/method-not-allowed";
import type { Account, Accounts } from "../auth/accounts.ts";
import type { Addresses } from "../hub/address.ts";
import { findEndpoint } from "../hub/endpoints.ts";
import type { Backend } from "../hub/backend.ts";
import type { Directory } from "../hub/directory.ts";
import type { Everywhere } from "../hub/everywhere.ts";
import type { Survey } from "../hub/survey.ts";
import type { AuditEvent } from "../observe/audit.ts";
import type { Clock } from "../observe/clock.ts";
import { type ErrorCode, ProtocolError } from "../protocol/codes.ts";
import { type CallerPorts, Callers } from "./callers.ts";
import { type CountCall, CallRecorder } from "./calls.ts";
import { documentRoutes } from "./documents.ts";
import { errorResponse, type LogFailure, toProtocolError } from "./errors.ts";
import { healthRoutes, type Readiness } from "./health.ts";
import { type IssuedToken, Login } from "./login.ts";
import { type MetricsPorts, metricsRoutes } from "./metrics.ts";
import { type PermissionPorts, permissionRoutes } from "./permissions.ts";
import { publishRoutes } from "./publish.ts";
import { type RevocationPorts, revocationRoutes } from "./revocation.ts";
import { answerRoute, type Peer, type Route } from "./route.ts";
import { type StatsPorts, statsRoutes } from "./stats.ts";
import { Streams } from "./stream.ts";
import { type TicketPorts, ticketRoutes } from "./ticket.ts";
import { topicRoutes } from "./topics.ts";
import { userRoutes } from "./users.ts";

/** The HTTP API as one function from request to response, whatever engine it came through. */

export interface AccountPorts {
  readonly store: Accounts;
  /** False leaves `/api/register` out. */
  readonly canRegister: boolean;
  readonly issueToken: (account: Account) => Promise<IssuedToken>;
}

export interface ApiPorts {
  /** null leaves login and registration out. */
  readonly accounts: AccountPorts | null;
  readonly callers: CallerPorts;
  readonly tickets: TicketPorts;
  readonly revocation: RevocationPorts;
  readonly permissions: PermissionPorts;
  readonly addresses: Addresses;
  /** Normalised: `OriginPolicy.allowed`. */
  readonly allowedOrigins: readonly string[];
  readonly backend: Backend;
  readonly directory: Directory;
  /** The same on all nodes. */
  readonly everywhere: Everywhere;
  readonly survey: Survey;
  /** Bytes of one streaming request. */
  readonly maxStreamBytes: number;
  readonly metrics: MetricsPorts;
  readonly readiness: () => Readiness;
  readonly stats: StatsPorts;
  readonly clock: Clock;
  readonly audit: (event: AuditEvent) => void;
  readonly logFailure: LogFailure;
  /** Called with the code of every error that is answered. */
  readonly countError: (code: ErrorCode) => void;
  /** Called for each call of a route of the backend or of a monitor. */
  readonly countCall: CountCall;
}

export interface Api {
  /** Never rejects: every failure is an error body. */
  fetch(request: Request, peer: Peer): Promise<Response>;
  /** Frees the state of limits that nobody uses; cheap, every few seconds will do. */
  sweep(): void;
  /** Addresses and names whose limit on logins is not full again. */
  readonly loginLimits: number;
}

interface Env {
  Bindings: { peer: Peer };
}

const CORS_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE"];
const CORS_HEADERS = ["Authorization", "Content-Type", "X-API-Key"];
const CORS_MAX_AGE_S = 600;

const ROOT_PAGE = `Tautline realtime node

WebSocket endpoints: /ws, / (first-message authentication), and those of docs/protocol.md
`;

export function createApi(ports: ApiPorts): Api {
  const { clock } = ports;
  const app = new Hono<Env>();

  const answerError = (error: unknown, headers: Readonly<Record<string, string>> = {}): Response => {
    const known = toProtocolError(error, ports.logFailure);
    ports.countError(known.code);
    const answer = errorResponse(known, clock.now());
    return new Response(answer.body, { status: answer.status, headers: { ...answer.headers, ...headers } });
  };
  const refuseMethod = (methods: readonly string[], headers: Readonly<Record<string, string>> = {}): Response =>
    answerError(new ProtocolError("METHOD_NOT_ALLOWED"), { Allow: methods.join(", "), ...headers });

  app.use(setSafeHeaders);
  app.use(
    cors({
      origin: [...ports.allowedOrigins],
      allowMethods: CORS_METHODS,
      allowHeaders: CORS_HEADERS,
      exposeHeaders: ["Retry-After"],
      maxAge: CORS_MAX_AGE_S,
    }),
  );
  app.use(methodNotAllowed({ app, onMethodNotAllowed: (_context, methods) => refuseMethod(methods) }));

  const callers = new Callers(ports.callers);
  const login = loginOf(ports);
  const routes = routesOf(ports, login);
  const calls = new CallRecorder(ports);
  app.get("/", (context) => context.text(ROOT_PAGE));
  for (const route of routes) {
    app.on(route.method, honoPath(route), (context) => {
      const request = context.req.raw;
      const { peer } = context.env;
      const client = ports.addresses.find(peer.address, (name) => request.headers.get(name));
      return answerRoute(route, callers, { request, peer, client }, calls.of(route, request, client));
    });
  }

  app.notFound((context) => {
    const { pathname } = new URL(context.req.url);
    const found = findEndpoint(pathname);
    if (found === undefined) return answerError(new ProtocolError("NOT_FOUND"));
    const headers = found.endpoint.deprecation ?? {};
    const isRead = context.req.method === "GET" || context.req.method === "HEAD";
    if (isRead) return answerError(new ProtocolError("UPGRADE_REQUIRED"), headers);
    // A route may have the path of an endpoint with a parameter: `/api/ws/ticket`.
    const others = routes.filter(({ path }) => path === pathname).map(({ method }) => method);
    return refuseMethod(["GET", "HEAD", ...others], headers);
  });
  app.onError((error) => answerError(error));

  return {
    async fetch(request, peer) {
      try {
        return await app.fetch(request, { peer });
      } catch (error) {
        return answerError(error); // what is thrown without being an Error passes Hono by
      }
    },
    sweep() {
      login?.sweep();
    },
    get loginLimits() {
      return login?.limited ?? 0;
    },
  };
}

/** All there are, in the order of the documentation. */
function routesOf(ports: ApiPorts, login: Login | null): readonly Route[] {
  const streams = new Streams({ ...ports, maxBytes: ports.maxStreamBytes });
  const now = (): number => ports.clock.now();
  const routes: Route[] = [
    ...documentRoutes(() => routes),
    ...healthRoutes(ports.readiness, now),
    ...metricsRoutes(ports.metrics),
    ...statsRoutes(ports.stats, now),
    ...(login === null ? [] : login.routes(ports.accounts?.canRegister === true)),
    ...ticketRoutes(ports.tickets),
    ...revocationRoutes(ports.revocation),
    ...permissionRoutes(ports.permissions),
    ...publishRoutes(ports.backend),
    ...userRoutes(ports.everywhere),
    ...topicRoutes(ports.directory, ports.survey),
    ...streams.routes(),
  ];
  return routes;
}

function loginOf({ accounts, clock, audit }: ApiPorts): Login | null {
  return accounts === null
    ? null
    : new Login({ accounts: accounts.store, issueToken: accounts.issueToken, clock, audit });
}

function honoPath({ path }: Route): string {
  return path.replace(/\{(\w+)\}/g, ":$1");
}

/** Nothing here is for a cache: tokens, and states that are wrong a second later. */
async function setSafeHeaders(context: Context, next: () => Promise<void>): Promise<void> {
  await next();
  context.header("X-Content-Type-Options", "nosniff");
  context.header("Cache-Control", "no-store");
}
