import { describe, expect, test } from "bun:test";
import { redisAddresses } from "../../src/broker/redis/address.ts";

describe("addresses of Redis", () => {
  test("have defaults for port, database and prefix", () => {
    expect(redisAddresses("redis://cache")).toEqual([
      {
        ...{ hosts: [{ host: "cache", port: 6379 }], masterName: null, tls: false, database: 0, prefix: "tautline:" },
        ...{ username: undefined, password: undefined },
      },
    ]);
  });

  test("name TLS, credentials, database and prefix, percent-decoded", () => {
    expect(redisAddresses("rediss://ada:p%40ss%2Fword@[fd00::1]:7000/3?prefix=chat%3A")).toMatchObject([
      { hosts: [{ host: "fd00::1", port: 7000 }], tls: true, username: "ada", password: "p@ss/word", database: 3 },
    ]);
  });

  test("may be several, with commas between them", () => {
    const addresses = redisAddresses("redis://:secret@a:1,redis://b:2,rediss://c:3");
    expect(addresses?.map(({ hosts }) => hosts)).toEqual([
      [{ host: "a", port: 1 }],
      [{ host: "b", port: 2 }],
      [{ host: "c", port: 3 }],
    ]);
  });

  test("may be those of Sentinels, which need the name of the master", () => {
    expect(redisAddresses("redis-sentinel://a,b:5000/2#chat")).toMatchObject([
      {
        hosts: [
          { host: "a", port: 26_379 },
          { host: "b", port: 5_000 },
        ],
        masterName: "chat",
        database: 2,
      },
    ]);
    expect(redisAddresses("redis-sentinel://a,b:5000/2")).toBeNull();
  });

  test.each([
    "redis://",
    "redis:/host",
    "http://host",
    "redis://a,b",
    "redis://host:0",
    "redis://host:65536",
    "redis://host/x",
    "redis://host?prefix=a b",
    "redis://host?prefix=%zz",
    "redis://%zz@host",
    "redis://host#master",
    "redis://a,memory://",
  ])("%s is none", (url) => {
    expect(redisAddresses(url)).toBeNull();
  });
});
