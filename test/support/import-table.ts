/**
 * Which part may import what. A part is a folder of src/ or some files of it; a target is the path of a file or, with a slash
 * at its end, of a folder. The files of a part may always import each other.
 */
export interface Part {
  readonly name: string;
  readonly files: readonly string[];
  readonly allow: readonly string[];
  readonly allowTypesOnly: readonly string[];
  /** Packages; "any" is every dependency that EXCLUSIVE does not give to other parts. */
  readonly libraries: readonly string[] | "any";
  /** Whether the modules of Bun and Node are allowed: not for what also runs in browsers. */
  readonly builtins: boolean;
}

/** Packages that belong to the parts named: one engine, one broker and one HTTP library, each known in one place. */
export const EXCLUSIVE: Readonly<Record<string, readonly string[]>> = {
  "uWebSockets.js": ["engine"],
  "@redis/client": ["broker"],
  hono: ["api"],
  jose: ["auth"],
  preact: ["console"],
  uplot: ["console"],
};

/** The clock is a type that every decision takes as an argument. */
export const FOR_ALL = ["observe/clock.ts"];

const server = { libraries: "any", builtins: true } as const;

export const PARTS: readonly Part[] = [
  {
    name: "protocol",
    files: ["protocol/"],
    allow: [],
    allowTypesOnly: [],
    libraries: ["valibot", "msgpackr"],
    builtins: false,
  },
  { name: "observe", files: ["observe/"], allow: [], allowTypesOnly: [], ...server },
  { name: "access", files: ["access.ts"], allow: ["protocol/"], allowTypesOnly: [], ...server },
  {
    name: "engine",
    files: ["engine/"],
    allow: ["protocol/codes.ts", "observe/"],
    allowTypesOnly: [],
    libraries: ["uWebSockets.js"],
    builtins: true,
  },
  { name: "broker", files: ["broker/"], allow: ["protocol/", "observe/"], allowTypesOnly: [], ...server },
  {
    name: "auth",
    files: ["auth/"],
    allow: ["protocol/", "observe/"],
    allowTypesOnly: ["broker/broker.ts"],
    ...server,
  },
  {
    name: "hub",
    files: ["hub/"],
    allow: ["access.ts", "protocol/", "observe/"],
    allowTypesOnly: ["engine/engine.ts", "broker/broker.ts", "auth/"],
    ...server,
  },
  {
    name: "api",
    files: ["api/"],
    allow: ["hub/", "access.ts", "auth/", "protocol/", "observe/"],
    allowTypesOnly: [],
    ...server,
  },
  {
    name: "config",
    files: ["config.ts", "config-file.ts", "settings.ts", "access-settings.ts", "contradictions.ts"],
    allow: ["access.ts", "protocol/"],
    allowTypesOnly: [],
    ...server,
  },
  {
    name: "node",
    files: [
      "node.ts",
      "node-api.ts",
      "node-observation.ts",
      "node-parts.ts",
      "node-redis.ts",
      "node-sharing.ts",
      "node-state.ts",
      "node-ticks.ts",
      "engine-handler.ts",
      "start-line.ts",
    ],
    allow: [
      "protocol/",
      "observe/",
      "access.ts",
      "engine/",
      "broker/",
      "auth/",
      "hub/",
      "api/",
      "config.ts",
      "credentials.ts",
    ],
    allowTypesOnly: [],
    ...server,
  },
  {
    name: "credentials",
    files: ["credentials.ts"],
    allow: ["config.ts", "auth/", "protocol/", "observe/clock.ts"],
    allowTypesOnly: [],
    ...server,
  },
  { name: "on-node", files: ["on-node.ts", "node-20.ts"], allow: ["main.ts"], allowTypesOnly: [], ...server },
  { name: "main", files: ["main.ts"], allow: ["config.ts", "node.ts"], allowTypesOnly: ["observe/"], ...server },
  { name: "health-check", files: ["health-check.ts"], allow: ["config.ts"], allowTypesOnly: [], ...server },
  {
    name: "cli",
    files: ["cli.ts"],
    allow: ["config.ts", "credentials.ts", "health-check.ts", "main.ts"],
    allowTypesOnly: [],
    ...server,
  },
  {
    name: "embedding",
    files: ["embedding/"],
    allow: ["protocol/", "observe/", "access.ts", "auth/", "hub/", "api/", "config.ts", "credentials.ts", "node.ts"],
    allowTypesOnly: ["node-parts.ts"],
    ...server,
  },
  {
    name: "index",
    files: ["index.ts"],
    allow: ["embedding/", "config.ts", "protocol/codes.ts"],
    allowTypesOnly: ["protocol/", "access.ts", "auth/", "hub/"],
    libraries: [],
    builtins: false,
  },
  {
    name: "client",
    files: ["client/"],
    allow: ["protocol/codes.ts"],
    allowTypesOnly: ["protocol/frames.ts", "protocol/server-frames.ts"],
    // Loaded when it is asked for.
    libraries: ["msgpackr"],
    builtins: false,
  },
  {
    name: "console",
    files: ["console/"],
    allow: ["client/", "protocol/codes.ts"],
    allowTypesOnly: ["protocol/frames.ts", "protocol/server-frames.ts"],
    libraries: ["preact", "uplot"],
    builtins: false,
  },
];
