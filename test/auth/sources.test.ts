import { describe, expect, test } from "bun:test";
import { type Credential, findCredential, type HandshakeView, type SourceOptions } from "../../src/auth/sources.ts";
import { outcome } from "./tokens.ts";

const OPTIONS: SourceOptions = { cookieName: "access_token", tokenInQuery: true };

function view(query: string, headers: Readonly<Record<string, string>> = {}): HandshakeView {
  return { query, header: (name) => (Object.hasOwn(headers, name) ? (headers[name] ?? null) : null) };
}

interface Row {
  readonly title: string;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly options?: Partial<SourceOptions>;
  readonly readsCookies?: boolean;
  readonly found: Credential | null | "BAD_REQUEST";
}

const bearer = (value: string) => ({ authorization: value });
const offer = (value: string) => ({ "sec-websocket-protocol": value });
const cookie = (value: string) => ({ cookie: value });

const ROWS: readonly Row[] = [
  { title: "nothing", found: null },
  { title: "a bearer header", headers: bearer("Bearer a.b.c"), found: { kind: "header", token: "a.b.c" } },
  { title: "the scheme in lower case", headers: bearer("bearer a.b.c"), found: { kind: "header", token: "a.b.c" } },
  { title: "several spaces", headers: bearer("BEARER   a.b.c"), found: { kind: "header", token: "a.b.c" } },
  { title: "a scheme alone", headers: bearer("Bearer"), found: "BAD_REQUEST" },
  { title: "a scheme and a space", headers: bearer("Bearer "), found: "BAD_REQUEST" },
  { title: "two tokens in the header", headers: bearer("Bearer a b"), found: "BAD_REQUEST" },
  { title: "two headers", headers: bearer("Bearer a.b.c, Bearer a.b.c"), found: "BAD_REQUEST" },
  { title: "another scheme", headers: bearer("Basic YTpi"), found: "BAD_REQUEST" },
  { title: "a scheme without a space", headers: bearer("BearerX"), found: "BAD_REQUEST" },
  { title: "a tab behind the scheme", headers: bearer("Bearer\ta.b.c"), found: "BAD_REQUEST" },
  { title: "an empty header", headers: bearer(""), found: "BAD_REQUEST" },

  { title: "the subprotocol pair", headers: offer("auth, a.b.c"), found: { kind: "subprotocol", token: "a.b.c" } },
  { title: "the pair without a space", headers: offer("auth,a.b.c"), found: { kind: "subprotocol", token: "a.b.c" } },
  {
    title: "the pair behind a framing",
    headers: offer("json, auth, a.b.c"),
    found: { kind: "subprotocol", token: "a.b.c" },
  },
  {
    title: "the pair before a framing",
    headers: offer("auth, a.b.c, json"),
    found: { kind: "subprotocol", token: "a.b.c" },
  },
  { title: "auth alone", headers: offer("auth"), found: "BAD_REQUEST" },
  { title: "auth at the end", headers: offer("a.b.c, auth"), found: "BAD_REQUEST" },
  { title: "auth and nothing", headers: offer("auth,"), found: "BAD_REQUEST" },
  { title: "auth twice", headers: offer("auth, a.b.c, auth, d.e.f"), found: "BAD_REQUEST" },
  { title: "auth as a token", headers: offer("auth, auth"), found: "BAD_REQUEST" },
  { title: "AUTH, which is another name", headers: offer("AUTH, a.b.c"), found: null },
  { title: "other subprotocols", headers: offer("json, chat"), found: null },
  { title: "15,000 spaces in the offer", headers: offer(`b${" ".repeat(15_000)}x`), found: null },

  { title: "a ticket", query: "ticket=t1", found: { kind: "ticket", token: "t1" } },
  { title: "a token in the query", query: "token=a.b.c", found: { kind: "query", token: "a.b.c" } },
  { title: "an encoded name", query: "%74oken=a.b.c", found: { kind: "query", token: "a.b.c" } },
  { title: "a name in another case", query: "Token=a.b.c", found: null },
  { title: "a semicolon, which separates nothing", query: "x=1;token=a.b.c", found: null },
  { title: "names of the prototype", query: "__proto__=1&constructor=2", found: null },
  { title: "two tokens in the query", query: "token=a.b.c&token=d.e.f", found: "BAD_REQUEST" },
  { title: "the same token twice in the query", query: "token=a.b.c&token=a.b.c", found: "BAD_REQUEST" },
  { title: "two tickets", query: "ticket=t1&ticket=t2", found: "BAD_REQUEST" },
  { title: "a ticket and a token", query: "ticket=t1&token=a.b.c", found: "BAD_REQUEST" },
  { title: "an empty token", query: "token=", found: { kind: "query", token: "" } },
  { title: "an empty token beside a header", query: "token=", headers: bearer("Bearer a.b.c"), found: "BAD_REQUEST" },
  { title: "an empty ticket beside a token", query: "ticket=&token=a.b.c", found: "BAD_REQUEST" },
  {
    title: "a token in the query when that is off",
    query: "token=a.b.c",
    options: { tokenInQuery: false },
    found: null,
  },
  {
    title: "a header beside a query that is off",
    query: "token=d.e.f",
    headers: bearer("Bearer a.b.c"),
    options: { tokenInQuery: false },
    found: { kind: "header", token: "a.b.c" },
  },

  {
    title: "alice in the header and bob in the query",
    query: "token=d.e.f",
    headers: bearer("Bearer a.b.c"),
    found: "BAD_REQUEST",
  },
  {
    title: "the same token in header and subprotocol",
    headers: { ...bearer("Bearer a.b.c"), ...offer("auth, a.b.c") },
    found: "BAD_REQUEST",
  },

  { title: "a cookie", headers: cookie("access_token=a.b.c"), found: { kind: "cookie", token: "a.b.c" } },
  {
    title: "a cookie among others",
    headers: cookie("x=1; access_token=a.b.c; __proto__=1; y"),
    found: { kind: "cookie", token: "a.b.c" },
  },
  { title: "the cookie twice", headers: cookie("access_token=A; access_token=B"), found: "BAD_REQUEST" },
  { title: "the cookie inside another", headers: cookie("x=access_token=B"), found: null },
  { title: "a longer cookie name", headers: cookie("xaccess_token=B"), found: null },
  { title: "a cookie name in another case", headers: cookie("ACCESS_TOKEN=B"), found: null },
  { title: "a quoted cookie", headers: cookie('access_token="A"'), found: { kind: "cookie", token: '"A"' } },
  { title: "an encoded cookie", headers: cookie("access_token=a%2eb"), found: { kind: "cookie", token: "a%2eb" } },
  { title: "an emptied cookie", headers: cookie("access_token="), found: null },
  { title: "a cookie where cookies are not read", headers: cookie("access_token=A"), readsCookies: false, found: null },
  {
    title: "another configured cookie name",
    headers: cookie("access_token=A; __Host-access_token=B"),
    options: { cookieName: "__Host-access_token" },
    found: { kind: "cookie", token: "B" },
  },
  {
    title: "a garbage token in the query beside a good cookie",
    query: "token=garbage",
    headers: cookie("access_token=a.b.c"),
    found: { kind: "query", token: "garbage" },
  },
  {
    title: "an empty token in the query beside a good cookie",
    query: "token=",
    headers: cookie("access_token=a.b.c"),
    found: { kind: "query", token: "" },
  },
  {
    title: "a header beside a doubled cookie",
    headers: { ...bearer("Bearer a.b.c"), ...cookie("access_token=A; access_token=B") },
    found: { kind: "header", token: "a.b.c" },
  },
];

describe("The token is found in one place or refused as ambiguous", () => {
  for (const { title, query = "", headers = {}, options = {}, readsCookies = true, found } of ROWS) {
    test(title, async () => {
      const find = () => findCredential(view(query, headers), { ...OPTIONS, ...options }, readsCookies);
      if (found === "BAD_REQUEST") expect(await outcome(find)).toBe("BAD_REQUEST");
      else expect(find()).toEqual(found);
    });
  }
});
