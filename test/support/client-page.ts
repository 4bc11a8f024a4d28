import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { bundleClient, type ClientFile } from "../../scripts/build-client.ts";
import { program } from "./programs.ts";

export const chromiumProgram = program("chromium", "chromium");

/** What the application of the page keeps, by the name of `app` in its window. */
const APP = `import { connect } from "/client.js";
const ask = new URL(location).searchParams;
const fetched = (path) => () => fetch(path, { method: "POST" }).then((response) => response.text());
const credential = ask.has("ticket") ? { ticket: fetched("/ticket") } : { token: fetched("/token") };
const client = connect(ask.get("url"), { ...credential, format: ask.get("format") ?? "json" });
const app = { client, statuses: [client.status.state], messages: [], confirmed: [], failed: [], gaps: 0 };
client.on("status", ({ state }) => app.statuses.push(state));
const room = client.join(ask.get("room"));
room.on("message", ({ text }) => app.messages.push(text));
room.on("gap", () => (app.gaps += 1));
app.send = (text) => room.send(text).then(() => app.confirmed.push(text), (error) => app.failed.push(error.code));
app.room = room;
window.app = app;
await room.joined;
app.isJoined = true;
`;

export interface App {
  readonly statuses: string[];
  readonly messages: string[];
  readonly confirmed: string[];
  readonly failed: string[];
  readonly gaps: number;
}

/** Credentials that the server of the application gives to its own page. */
interface Credentials {
  readonly token: () => string;
  readonly ticket: () => Promise<string>;
}

/** A real page in Chromium, of an application that has the client. */
export class ClientPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Every address that the page asked for, those of WebSockets too. */
  readonly urls: string[] = [];
  readonly errors: string[] = [];
  readonly #origin: string;

  private constructor(page: Page, context: BrowserContext, origin: string) {
    this.page = page;
    this.context = context;
    this.#origin = origin;
    page.on("request", (request) => this.urls.push(request.url()));
    page.on("websocket", (socket) => this.urls.push(socket.url()));
    page.on("pageerror", (error) => this.errors.push(error.message));
  }

  static async open(browser: Browser, origin: string): Promise<ClientPage> {
    const context = await browser.newContext();
    return new ClientPage(await context.newPage(), context, origin);
  }

  /** Resolves when the client of the page is a member of the room. */
  async load(query: Readonly<Record<string, string>>): Promise<void> {
    await this.page.goto(`${this.#origin}/?${new URLSearchParams(query).toString()}`);
    await this.joined();
  }

  async joined(): Promise<void> {
    await this.page.waitForFunction("globalThis.app?.isJoined === true");
  }

  async send(...texts: readonly string[]): Promise<void> {
    await this.page.evaluate(`for (const text of ${JSON.stringify(texts)}) void app.send(text)`);
  }

  /** `expression` is about `app`. */
  async until(expression: string): Promise<void> {
    await this.page.waitForFunction(expression);
  }

  async app(): Promise<App> {
    const text: string = await this.page.evaluate(
      "JSON.stringify({ statuses: app.statuses, messages: app.messages, confirmed: app.confirmed, failed: app.failed, gaps: app.gaps })",
    );
    return JSON.parse(text);
  }

  close(): Promise<void> {
    return this.context.close();
  }
}

/** The server of the application: its page, the client as it is built, and credentials. */
export async function serveApplication({ token, ticket }: Credentials): Promise<Bun.Server<undefined>> {
  const files = new Map((await bundleClient(null)).map((file: ClientFile) => [`/${file.name}`, file.code]));
  const script = (code: string): Response => new Response(code, { headers: { "Content-Type": "text/javascript" } });
  const html = { headers: { "Content-Type": "text/html" } };
  return Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    routes: {
      "/": () => new Response('<!doctype html><script type="module" src="/app.js"></script>', html),
      "/app.js": () => script(APP),
      "/token": { POST: () => new Response(token()) },
      "/ticket": { POST: async () => new Response(await ticket()) },
    },
    fetch: (request) => {
      const code = files.get(new URL(request.url).pathname);
      return code === undefined ? new Response(null, { status: 404 }) : script(code);
    },
  });
}

export function startChromium(): Promise<Browser> {
  // A container has no user namespaces for the sandbox.
  return chromium.launch({ executablePath: chromiumProgram.path ?? "", args: ["--no-sandbox"] });
}
