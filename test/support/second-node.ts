import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import type { Config } from "../../src/config.ts";
import { type RunningNode, startNode } from "../../src/node.ts";
import type { NodeParts } from "../../src/node-parts.ts";
import { ENDS_WITH_US, TestRedis } from "./redis.ts";

/**
 * With `TEST_NODES=2` every `TestNode` is two nodes over one Redis, and its port that of a balancer that gives them connections in turn: what a
 * test says of one node must be true of both together.
 */
export const HAS_SECOND_NODE = process.env["TEST_NODES"] === "2";

let shared: Promise<TestRedis> | null = null;
let systems = 0;

/** The settings of both nodes: each test node has a Redis to itself, as far as it can tell. */
export async function sharedBroker(): Promise<string> {
  let redis = await shared;
  // The runner ends all processes that began in a test which ran out of time.
  if (redis === null || !redis.isRunning) {
    // The runner tells nobody that it ends.
    shared = TestRedis.start([], ENDS_WITH_US);
    redis = await shared;
  }
  systems += 1;
  return `${redis.url}?prefix=t${process.pid}.${systems}:`;
}

export class SecondNode {
  /** The balancer's. */
  readonly port: number;
  /** The node's own, past the balancer. */
  readonly ownPort: number;
  readonly #running: RunningNode;
  readonly #balancer: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(running: RunningNode, balancer: Server) {
    this.#running = running;
    this.ownPort = running.address.port;
    this.#balancer = balancer;
    const address = balancer.address() as AddressInfo;
    this.port = address.port;
  }

  static async start(config: Config, parts: NodeParts, firstPort: number): Promise<SecondNode> {
    const running = await startNode({ ...config, nodeId: "node-2" }, parts);
    const ports = [running.address.port, firstPort];
    const balancer = createServer({ allowHalfOpen: true });
    const second = await new Promise<SecondNode>((resolve) => {
      balancer.listen(0, "127.0.0.1", () => resolve(new SecondNode(running, balancer)));
    });
    let turn = 0;
    balancer.on("connection", (client) => {
      turn += 1;
      second.#splice(client, connect({ port: ports[turn % 2] ?? firstPort, host: "127.0.0.1", allowHalfOpen: true }));
    });
    return second;
  }

  #splice(client: Socket, node: Socket): void {
    for (const [from, to] of [
      [client, node],
      [node, client],
    ] as const) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroySoon();
      });
    }
  }

  async stop(): Promise<void> {
    this.#balancer.close();
    for (const socket of this.#sockets) socket.destroy();
    await this.#running.stop();
  }
}
