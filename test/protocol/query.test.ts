import { expect, test } from "bun:test";
import fc from "fast-check";
import { queryParameters, queryValue } from "../../src/protocol/query.ts";

test("a query means what URLSearchParams says, encoded or not", () => {
  const part = fc.string({ maxLength: 12 }).map((text) => text.replace(/[#\r\n\t]/g, ""));
  fc.assert(
    fc.property(fc.array(part), (parts) => {
      const query = parts.join("&");
      expect(queryParameters(query)).toEqual([...new URLSearchParams(`&${query}`)]);
    }),
  );
});

test.each([
  ["token=a", "token", "a"],
  ["a=1&token=x=y", "token", "x=y"],
  ["%74oken=a%2eb", "token", "a.b"],
  ["?token=a", "token", null],
  ["token", "token", ""],
  ["Token=a", "token", null],
  ["x=1;token=a", "token", null],
  ["", "token", null],
])("in %p the value of %p is %p", (query, name, expected) => {
  expect(queryValue(queryParameters(query), name)).toBe(expected);
});
