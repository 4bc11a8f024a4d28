import { compileAccess } from "./access.ts";
import { errorResponse } from "./api/errors.ts";
import { hookOf } from "./auth/authorizer-hook.ts";
import { createOriginPolicy } from "./auth/origin.ts";
import { findCredential } from "./auth/sources.ts";
import { OneTimeTickets } from "./auth/tickets.ts";
import { type Config, configured } from "./config.ts";
import { authenticatorOf, openStore } from "./credentials.ts";
import { createEngine } from "./engine/create-engine.ts";
import type { Engine } from "./engine/engine.ts";
import { handlerOf } from "./engine-handler.ts";
import { Addresses } from "./hub/address.ts";
import { awake } from "./hub/awake.ts";
import { Backend } from "./hub/backend.ts";
import { permissionsChangedElsewhere } from "./hub/changed-permissions.ts";
import { Drain } from "./hub/drain.ts";
import { Everywhere } from "./hub/everywhere.ts";
import { Handshakes } from "./hub/handshakes.ts";
import { Hub } from "./hub/hub.ts";
import { revokedElsewhere } from "./hub/revoked-elsewhere.ts";
import { ENGINE_NET } from "./hub/unsent.ts";
import { apiOf, readinessOf } from "./node-api.ts";
import { observe } from "./node-observation.ts";
import { BY_ITSELF, type NodeParts } from "./node-parts.ts";
import { sharingOf } from "./node-sharing.ts";
import { stateOf } from "./node-state.ts";
import { NodeTicks } from "./node-ticks.ts";
import { systemClock } from "./observe/clock.ts";
import { connectionsFor, descriptorLimit } from "./observe/descriptors.ts";
import type { Log } from "./observe/log.ts";
import { startLineOf } from "./start-line.ts";

/** The composition root: builds the parts of one node from its configuration and connects them. */

export interface RunningNode {
  readonly address: { readonly url: string; readonly port: number };
  /** The one line of the start, for people. */
  readonly summary: string;
  readonly hub: Hub;
  readonly backend: Backend;
  readonly everywhere: Everywhere;
  readonly log: Log;
  /** Ends every connection in the steps of a planned restart, over `graceMs` or `drainMs`; a second call joins the first. */
  drain(graceMs?: number): Promise<void>;
  /** Stops listening and writes what is left of the logs. */
  stop(): Promise<void>;
}

const UNNAMED_PROXY =
  "a peer sends the forwarded header but is not in TRUSTED_PROXIES: its clients have no per-address limits";
const FLUSH_MS = 2_000;
const HTTP_BODY_BYTES = 65_536;
/** What the engine holds in 32 bits. */
const MAX_ENGINE_BYTES = 4_294_967_295;
const STDOUT = 1;

export async function startNode(config: Config, parts: NodeParts = {}): Promise<RunningNode> {
  const clock = parts.clock ?? systemClock;
  const { log, audit, metrics, sinks, report, bindGauges, bindState } = observe(
    config,
    clock,
    parts.logTarget ?? STDOUT,
  );
  const origins = configured(() => createOriginPolicy(config.allowedOrigins));
  const addresses = configured(() => new Addresses(config, (peer) => log.warn({ peer }, UNNAMED_PROXY)));
  const accounts = config.accounts === "off" ? null : await openStore(config, clock);
  const embedding = parts.application?.({ config, clock, report }) ?? BY_ITSELF;
  const sharing = await sharingOf(config, {
    ...{ clock, log, report, nodeTimes: parts.nodeTimes ?? {} },
    deliver: (topic, message) => hub.deliver(topic, message),
    lose: (topic, position) => hub.lose(topic, position),
    wake: () => void awake(hub),
    presence: () => hub.presence,
    onRevoked: (revoked) => revokedElsewhere(hub, revoked),
    onPermissionsChanged: (changed) => permissionsChangedElsewhere(hub, changed),
  });
  const { broker, revocations, permissions, presence } = sharing;
  const tickets = new OneTimeTickets(sharing.tickets, clock);
  const standing = { accounts, revocations, tickets, isKnown: () => revocations.ready && permissions.ready };
  const authenticator = embedding.authenticator(configured(() => authenticatorOf(config, clock, standing)));

  const hasAuthorizer = embedding.authorizer !== null || config.authorizerUrl !== null;
  const access = compileAccess({ ...config.access, hasAuthorizer });
  const hook = embedding.authorizer === null ? hookOf(config, { clock, access, metrics, log }) : null;

  const hub: Hub = new Hub(config, {
    engine: { publish: (topic, frame) => engine.publish(topic, frame) },
    later: (run) => void setImmediate(run),
    authorizer: embedding.authorizer ?? hook,
    application: embedding.application,
    ...{ access, broker, presence, authenticator, revocations, permissions, audit, metrics, clock, report },
  });
  bindGauges(hub, sharing);
  const backend = new Backend(hub);
  const everywhere = new Everywhere(hub, sharing.nodes, backend);
  const drain = new Drain(config, hub, clock, (fields, message) => log.info(fields, message));

  const maxConnections = config.maxConnections ?? connectionsFor(descriptorLimit());
  const handshakes = new Handshakes({ ...config, maxConnections }, hub, {
    ...{ addresses, origins, authenticator, clock },
    findCredential: (view, readsCookies) => findCredential(view, config, readsCookies),
    refusal: (error) => errorResponse(error, clock.now()),
    access: (record) => log.access(record),
    warn: (fields, message) => log.warn(fields, message),
    admission(nowMs) {
      if (drain.isRefusing) return "DRAINING";
      if (!broker.ready) return "UNAVAILABLE";
      return ticks.overload.isOver(nowMs) ? "OVERLOADED" : null;
    },
  });
  const api = apiOf({
    ...{ config, clock, accounts, authenticator, tickets, addresses, origins, metrics, audit, report, hub },
    ...{ nodes: sharing.nodes, backend, everywhere },
    readiness: () =>
      readinessOf(
        {
          ...{ draining: !drain.isReady, broker: !broker.ready, keys: !authenticator.keysReady },
          ...{ revocations: !revocations.ready, permissions: !permissions.ready },
        },
        { audit: audit.failure !== null, overloaded: ticks.overload.isOver(clock.monotonic()) },
      ),
  });
  bindState(() => stateOf({ hub, authenticator, handshakes, api, addresses, hook, tickets: sharing.tickets }));
  const engine: Engine = createEngine(
    {
      host: config.host,
      port: config.port,
      unixSocket: config.unixSocket,
      maxMessageBytes: config.maxMessageBytes,
      // A net under the hub's own looks, which leave no hole and close with a code that says why.
      maxUnsentBytes: Math.min(ENGINE_NET * config.maxUnsentBytes, MAX_ENGINE_BYTES),
      // A net under the API's own bounds, which answer in JSON.
      maxBodyBytes: config.maxStreamBytes + HTTP_BODY_BYTES,
    },
    handlerOf(hub, handshakes, api, report),
  );

  const ticks = new NodeTicks(config, { engine, hub, handshakes, api, authenticator, audit, metrics, log, clock });
  const release = async (): Promise<void> => {
    ticks.stop();
    await engine.stop();
    hook?.stop();
    await sharing.stop();
    accounts?.close();
    await audit.flush(FLUSH_MS);
    for (const sink of sinks) await sink.close(FLUSH_MS);
  };
  await sharing.start();
  const address = await engine.listen().catch(async (error: unknown) => {
    await release();
    throw error;
  });
  ticks.start();

  return {
    ...{ address, hub, backend, everywhere, log },
    summary: startLineOf(config, address.url, engine.name, broker.name),
    drain: (graceMs) => drain.start(graceMs),
    stop: release,
  };
}
