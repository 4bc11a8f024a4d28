import { createClient } from "@redis/client";
import * as v from "valibot";
import type { RedisAddress } from "./address.ts";

const Master = v.tuple([v.string(), v.pipe(v.string(), v.regex(/^\d{1,5}$/))]);

export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/** Where the master is now: the address itself, or what the first Sentinel says that answers in time. Rejects when none does. */
export async function masterOf(address: RedisAddress, timeoutMs: number): Promise<HostAndPort> {
  const { masterName } = address;
  const [first] = address.hosts;
  if (masterName === null && first !== undefined) return first;
  for (const sentinel of address.hosts) {
    const master = await ask(sentinel, masterName ?? "", address.tls, timeoutMs).catch(() => null);
    if (master !== null) return master;
  }
  throw new Error("no Sentinel knows the master");
}

async function ask(at: HostAndPort, name: string, tls: boolean, timeoutMs: number): Promise<HostAndPort | null> {
  const socket = { ...at, connectTimeout: timeoutMs, socketTimeout: timeoutMs, reconnectStrategy: false } as const;
  const client = createClient({ socket: tls ? { ...socket, tls: true } : socket, RESP: 2, disableClientInfo: true });
  client.on("error", () => undefined);
  try {
    await client.connect();
    const answer = v.safeParse(Master, await client.sendCommand(["SENTINEL", "get-master-addr-by-name", name]));
    return answer.success ? { host: answer.output[0], port: Number(answer.output[1]) } : null;
  } finally {
    if (client.isOpen) client.destroy();
  }
}
