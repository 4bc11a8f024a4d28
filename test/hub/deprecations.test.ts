import { expect, test } from "bun:test";
import { Deprecations } from "../../src/hub/deprecations.ts";
import { ENDPOINTS } from "../../src/hub/endpoints.ts";

const deprecated = ENDPOINTS.filter(({ deprecation }) => deprecation !== null);
const [endpoint] = deprecated;
if (endpoint === undefined) throw new Error("no endpoint is deprecated");

function told(maxUsers?: number): { deprecations: Deprecations; users: unknown[] } {
  const users: unknown[] = [];
  const warn = (fields: object): void => void users.push({ ...fields });
  return { deprecations: new Deprecations(warn, maxUsers), users };
}

test("a user of a deprecated endpoint is told of once, with the template of its path", () => {
  const { deprecations, users } = told();
  for (const id of ["ada", "bob", "ada", "__proto__", "bob"]) deprecations.used(endpoint, id);
  expect(users).toEqual(["ada", "bob", "__proto__"].map((userId) => ({ endpoint: endpoint.path, userId })));
});

test("of too many users the oldest are forgotten, and told of again", () => {
  const { deprecations, users } = told(2);
  for (const id of ["a", "b", "c", "b", "c", "a"]) deprecations.used(endpoint, id);
  expect(users).toHaveLength(4);
});
