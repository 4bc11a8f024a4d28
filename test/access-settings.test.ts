import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { compileAccess, DEFAULT_ACCESS } from "../src/access.ts";
import { ConfigError, loadConfig, type Problem } from "../src/config.ts";
import { principal } from "./support/principal.ts";

/** The tables of the file that say who may do what. */

const SECRET = "correct-horse-battery-staple-0123456789";

function load(toml: string, env: Record<string, string> = {}): ReturnType<typeof loadConfig> {
  return loadConfig({ JWT_SECRET: SECRET, TAUTLINE_CONFIG: "t.toml", ...env }, () => toml);
}

function errorOf(toml: string): ConfigError {
  try {
    load(toml);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error("the configuration was accepted");
}

const problemsOf = (toml: string): readonly Problem[] => errorOf(toml).problems;
const namesIn = (toml: string): string[] => problemsOf(toml).map(({ name }) => name);

const game = (changes: Readonly<Record<string, string>> = {}): string => {
  const fields = { read: '"any"', write: '"members"', presence: '"members"', history: '"readers"', ...changes };
  const lines = Object.entries(fields).map(([key, value]) => `${key} = ${value}`);
  return ["[namespaces.game]", ...lines].join("\n");
};

describe("what is given", () => {
  test("nothing leaves the defaults", () => {
    expect(load("port = 1").config.access).toEqual(DEFAULT_ACCESS);
  });

  test("stands beside the defaults, and in place of the one of its name", () => {
    const { config, warnings } = load(`
public_topics = ["room:lobby", "game:rules"]

[permissions]
"wallet.read" = ["owner"]
"game.read" = ["player", "admin"]
nobody = []

${game({ read: '{permission = "game.read", and = "granted"}' })}

[namespaces.room]
read = {permission = "nobody"}
write = "members"
presence = "none"
history = "none"
`);
    const { access } = config;
    expect(warnings).toEqual([]);
    expect(access.publicTopics).toEqual(["room:lobby", "game:rules"]);
    expect(access.permissions).toEqual({
      ...DEFAULT_ACCESS.permissions,
      "wallet.read": ["owner"],
      "game.read": ["player", "admin"],
      nobody: [],
    });
    expect(access.namespaces).toEqual({
      ...DEFAULT_ACCESS.namespaces,
      game: {
        ...{ read: { permission: "game.read", and: "granted" }, write: "members" },
        ...{ presence: "members", history: "readers" },
      },
      room: {
        ...{ read: { permission: "nobody", and: "nothing" }, write: "members" },
        ...{ presence: "none", history: "none" },
      },
    });
    const rules = compileAccess(access);
    const player = principal({ roles: ["player"] });
    expect(rules.may(player, "read", "game:rules")).toBe("yes");
    expect(rules.may(player, "read", "game:1")).toBe("ask");
    expect(rules.may(principal({ roles: ["user"] }), "read", "game:1")).toBe("no");
    expect(rules.may(player, "read", "room:a")).toBe("no");
    expect(rules.may(player, "read", "room:lobby")).toBe("yes");
    expect(rules.may(player, "read", "system:status")).toBe("no");
  });

  test.each(['"any"', '"self"', '"server"', '{permission = "p", and = "self"}', "{permission = 'p'}"])(
    "may be the rule %s for read and write",
    (rule) => {
      expect(load(`permissions = {p = ["user"]}\n${game({ read: rule, write: rule })}`).warnings).toEqual([]);
    },
  );

  test("of the environment is nothing: it has no tables", () => {
    expect(load("port = 1", { PERMISSIONS: "x", PUBLIC_TOPICS: "room:a" }).config.access.publicTopics).toEqual(
      DEFAULT_ACCESS.publicTopics,
    );
  });

  test("may need a permission that no role has, with a warning, for a token may have it", () => {
    const { warnings } = load(game({ read: '{permission = "game.play"}', write: '{permission = "game.play"}' }));
    expect(warnings.map((warning) => warning.split(" ")[0])).toEqual(["namespaces.game.read", "namespaces.game.write"]);
    expect(warnings.join()).not.toContain("game.play");
  });
});

describe("what is wrong", () => {
  const CANARY = "c4nary-9f81";
  const many = (count: number, entry: (index: number) => string) => Array.from({ length: count }, (_, at) => entry(at));
  const rows: [string, string[]][] = [
    ["permissions = 1", ["permissions"]],
    ["permissions = []", ["permissions"]],
    ["permissions = 1979-05-27", ["permissions"]],
    [`[permissions]\nx = "${CANARY}"`, ["permissions.x"]],
    [`[permissions]\nx = [1, "${CANARY}", ""]`, ["permissions.x", "permissions.x"]],
    [`[permissions]\nx = ["${CANARY}\\n"]`, ["permissions.x"]],
    ["[permissions]\nconversation.read = ['user']", ["permissions.conversation"]],
    ["[permissions]\n'' = ['user']", ["permissions."]],
    [`[permissions]\nx = [${many(65, (index) => `"${index}"`).join()}]`, ["permissions.x"]],
    [["[permissions]", ...many(257, (index) => `x${index} = []`)].join("\n"), ["permissions"]],
    [`namespaces = "${CANARY}"`, ["namespaces"]],
    [`[namespaces]\ngame = "${CANARY}"`, ["namespaces.game"]],
    [game().replace("game", "Game"), ["namespaces.Game"]],
    [game().replace("game", "__proto__"), ["namespaces.__proto__"]],
    [game().replace("game", "1game"), ["namespaces.1game"]],
    [game().replace("game", `n${"x".repeat(32)}`), [`namespaces.n${"x".repeat(32)}`]],
    [game({ read: `"${CANARY}"` }), ["namespaces.game.read"]],
    [game({ read: '"members"' }), ["namespaces.game.read"]],
    [game({ read: "true" }), ["namespaces.game.read"]],
    [game({ write: `{permission = "${CANARY}", and = "members"}` }), ["namespaces.game.write"]],
    [game({ write: `{permission = "${CANARY}", or = "self"}` }), ["namespaces.game.write"]],
    [game({ write: "{and = 'self'}" }), ["namespaces.game.write"]],
    [game({ write: "{permission = ''}" }), ["namespaces.game.write.permission"]],
    [game({ presence: `"${CANARY}"`, history: '"any"' }), ["namespaces.game.presence", "namespaces.game.history"]],
    [game({ colour: '"red"' }), ["namespaces.game.colour"]],
    ['[namespaces.game]\nread = "any"\nwrite = "any"', ["namespaces.game.presence", "namespaces.game.history"]],
    [game().replace("game", "user"), ["namespaces.user.presence"]],
    [many(65, (index) => game().replace("game", `n${index}`)).join("\n"), ["namespaces"]],
    [`public_topics = "${CANARY}"`, ["public_topics"]],
    [`public_topics = ["system:status", 1, "${CANARY}", "x:y"]`, many(3, () => "public_topics")],
    [`public_topics = [${many(1_001, () => '"room:a"').join()}]`, ["public_topics"]],
    ["PERMISSIONS = {}", ["PERMISSIONS"]],
    ["colour = 1\n[permissions]\nx = 1\n[namespaces]\ny = 1", ["colour", "permissions.x", "namespaces.y"]],
  ];

  test.each(rows)("%j is refused by name and without a value", (toml, names) => {
    const { message } = errorOf(toml);
    expect(namesIn(toml)).toEqual(names);
    expect(message).not.toContain(CANARY);
  });

  test("is named by its place in a list", () => {
    expect(problemsOf('public_topics = ["system:status", "x:y"]')[0]?.problem).toStartWith("entry 2 ");
    expect(problemsOf('[permissions]\nx = ["a", 1]')[0]?.problem).toStartWith("entry 2 ");
  });

  test("is shown so that no name of the file moves a terminal", () => {
    expect(namesIn("[permissions]\n'a\\u001b[2J' = 1")).toEqual(["permissions.a?u001b?2J"]);
    expect(namesIn('[permissions]\n"a\\u001b[2J" = 1')).toEqual(["permissions.a??2J"]);
  });
});

test("the examples of docs/operations.md are read as they stand", () => {
  const text = readFileSync(new URL("../docs/operations.md", import.meta.url), "utf8");
  const [, section = ""] = text.split("\n## Who may do what\n");
  const examples = [...(section.split("\n## ")[0] ?? "").matchAll(/```toml\n([\s\S]*?)```/g)].map(
    ([, toml = ""]) => toml,
  );
  expect(examples).not.toEqual([]);
  for (const toml of examples) {
    const { config, warnings } = load(toml);
    expect(warnings).toEqual([]);
    expect(Object.keys(config.access.namespaces).length).toBeGreaterThan(Object.keys(DEFAULT_ACCESS.namespaces).length);
  }
});
