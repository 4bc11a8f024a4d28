import { describe, expect, test } from "bun:test";
import { Directory, type Page, type PageRequest } from "../../src/hub/directory.ts";
import { ProtocolError } from "../../src/protocol/codes.ts";
import { HubRig } from "../support/hub.ts";

const NOT_FOUND = new ProtocolError("NOT_FOUND");
const BAD_REQUEST = new ProtocolError("BAD_REQUEST");

/** All pages, with something that happens between each two. */
function allPages<T>(list: (request: PageRequest) => Page<T>, limit: number, between = (): void => {}): T[] {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const page = list({ limit, cursor });
    expect(page.items.length).toBeLessThanOrEqual(limit);
    items.push(...page.items);
    cursor = page.next;
    between();
  } while (cursor !== undefined);
  return items;
}

describe("the list of topics", () => {
  test("has connections, and users where these are announced", () => {
    const rig = new HubRig();
    rig.member("ada", "lobby");
    const { connection } = rig.member("ada", "lobby");
    rig.receive(connection, { type: "subscribe", topic: "system:status" });
    expect(new Directory(rig.hub).topics({ limit: 100 })).toEqual({
      items: [
        { topic: "room:lobby", members: 2, users: 1 },
        { topic: "system:status", members: 1 },
      ],
    });
  });

  test("shows what is there all the time exactly once, whatever comes and goes between two pages", () => {
    const rig = new HubRig({ maxConnectionsPerUser: 1_000 });
    const directory = new Directory(rig.hub);
    const stay = Array.from({ length: 20 }, (_, index) => `stay-${index}`);
    const passing = stay.map((slug, index) => {
      rig.member(`u${index}`, slug);
      return rig.member(`v${index}`, `pass-${index}`);
    });
    let count = 0;
    const seen = allPages(
      (request) => directory.topics(request),
      3,
      () => {
        passing.shift()?.socket.end(1000);
        count += 1;
        rig.member(`w${count}`, `new-${count}`);
      },
    ).map(({ topic }) => topic);
    expect(seen.filter((topic) => topic.startsWith("room:stay"))).toEqual(stay.map((slug) => `room:${slug}`));
    expect(new Set(seen).size).toBe(seen.length);
  });

  test.each(["x", "-1", "1e3", "9".repeat(16)])("a cursor that was never given (%s) is refused", (cursor) => {
    const directory = new Directory(new HubRig().hub);
    expect(() => directory.topics({ limit: 1, cursor })).toThrow(BAD_REQUEST);
    expect(() => directory.presence("room:lobby", { limit: 1, cursor })).toThrow(BAD_REQUEST);
  });
});

describe("the list of users in a topic", () => {
  test("comes page by page with their number, and those who came later are on the last one", async () => {
    const rig = new HubRig();
    for (const id of ["a", "b", "c", "d", "e"]) rig.member(id, "lobby");
    const directory = new Directory(rig.hub);
    const first = await directory.presence("room:lobby", { limit: 2 });
    expect(first).toMatchObject({ userCount: 5, items: [{ userId: "a" }, { userId: "b" }] });
    rig.member("f", "lobby");
    const rest = await directory.presence("room:lobby", { limit: 1_000, cursor: first.next });
    expect(rest.items.map(({ userId }) => userId)).toEqual(["c", "d", "e", "f"]);
    expect([rest.userCount, rest.next]).toEqual([6, undefined]);
  });

  test("is empty where nobody is, and not there where nobody is announced", async () => {
    const directory = new Directory(new HubRig().hub);
    expect(await directory.presence("room:empty", { limit: 1 })).toEqual({ items: [], userCount: 0 });
    expect(() => directory.presence("system:status", { limit: 1 })).toThrow(NOT_FOUND);
  });
});

test("the history of a topic is not there where none is kept", () => {
  const directory = new Directory(new HubRig().hub);
  expect(directory.history("room:lobby", null, 10)).toMatchObject({ messages: [], offset: 0 });
  expect(() => directory.history("system:status", null, 10)).toThrow(NOT_FOUND);
});
