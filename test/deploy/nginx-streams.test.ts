import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { ChunkedRequest } from "../support/chunked-request.ts";
import { nginxSkipReason, TestNginx } from "../support/nginx.ts";
import { TestNode } from "../support/node.ts";

/** The location that docs/operations.md, "Backend" describes, for a backend that streams through the proxy. */

const API_KEY = "the-key-of-the-backend";
const ROOT = "    location / {";
const STREAMS = `    location /api/stream/ {
      proxy_request_buffering off;
      client_max_body_size 8m;
      client_body_timeout 30s;
      proxy_pass http://tautline;
    }
`;

describe.skipIf(nginxSkipReason !== "")(`a stream through nginx${nginxSkipReason}`, () => {
  let node: TestNode;
  let nginx: TestNginx;

  beforeEach(async () => {
    node = await TestNode.start({ TRUSTED_PROXIES: "127.0.0.1", API_KEY });
    nginx = await TestNginx.start(node.port, { [ROOT]: STREAMS + ROOT });
  });

  afterEach(async () => {
    await nginx.stop();
    await node.stop();
  });

  async function open(): Promise<ChunkedRequest> {
    const host = { Host: `localhost:${nginx.port}`, "X-API-Key": API_KEY };
    const headers = { ...host, "Content-Type": "application/x-ndjson" };
    return new ChunkedRequest(await nginx.peer(), "/api/stream/room:answers?event=token", headers);
  }

  test("reaches its readers while it is written", async () => {
    const reader = await nginx.member("ada", "answers");
    const stream = await open();
    for (const [index, word] of ["Hello", "from", "a", "model"].entries()) {
      stream.write(`${JSON.stringify(word)}\n`);
      expect(await reader.jsonOfType("token")).toMatchObject({ data: word, offset: index + 1 });
    }
    expect(await stream.end()).toMatchObject({ status: 200, body: '{"published":4}' });
  });

  test("may be longer than what nginx takes by default", async () => {
    const stream = await open();
    for (let item = 0; item < 100; item += 1) stream.write(`"${"x".repeat(16_000)}"\n`);
    expect(await stream.end()).toMatchObject({ status: 200, body: '{"published":100}' });
  });
});
