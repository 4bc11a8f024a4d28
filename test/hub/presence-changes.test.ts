import { expect, test } from "bun:test";
import { PresenceChanges } from "../../src/hub/presence-changes.ts";

const user = (userId: string) => ({ userId, username: userId.toUpperCase() });
const ADA = { userId: "ada", username: "ADA" };

function changes(...steps: (["joined" | "left", string] | "page")[]): PresenceChanges {
  const noted = new PresenceChanges();
  for (const step of steps) {
    if (step === "page") noted.wasRead();
    else noted.note(step[0], step[1], user(step[1]));
  }
  return noted;
}

test.each<[string, Parameters<typeof changes>, object]>([
  ["nobody", [], { joined: [] }],
  ["one who came", [["joined", "ada"]], { joined: [ADA] }],
  ["one who left", [["left", "ada"]], { left: [ADA] }],
  [
    "one who came and went",
    [
      ["joined", "ada"],
      ["left", "ada"],
    ],
    { joined: [] },
  ],
  [
    "one who went and came back",
    [
      ["left", "ada"],
      ["joined", "ada"],
    ],
    { joined: [] },
  ],
  [
    "one who came, went and came",
    [
      ["joined", "ada"],
      ["left", "ada"],
      ["joined", "ada"],
    ],
    { joined: [ADA] },
  ],
])("the lists of %s say what is different, and are never both left out", (_who, steps, expected) => {
  expect(changes(...steps).lists()).toEqual(expected);
});

test.each<[string, Parameters<typeof changes>, object]>([
  ["came, was read of and went", [["joined", "ada"], "page", ["left", "ada"]], { left: [ADA] }],
  ["went, was missed by a page and came back", [["left", "ada"], "page", ["joined", "ada"]], { joined: [ADA] }],
  ["did so twice", [["left", "ada"], "page", ["joined", "ada"], ["left", "ada"]], { left: [ADA] }],
  ["came and went behind the page", ["page", ["joined", "ada"], ["left", "ada"]], { joined: [] }],
])("who %s is told to whoever has read the page", (_what, steps, expected) => {
  expect(changes(...steps).lists()).toEqual(expected);
});

test("a user who is taken away silently is in no list", () => {
  const noted = changes(["joined", "ada"], ["joined", "bob"]);
  noted.forget("ada");
  expect(noted.lists()).toEqual({ joined: [user("bob")] });
});

test("the lists hold what is for the wire alone", () => {
  const noted = new PresenceChanges();
  const occupant = { ...user("ada"), connections: 1, heldUntilMs: 0 };
  noted.note("joined", "ada", occupant);
  expect(noted.lists()).toEqual({ joined: [ADA] });
});

test("nothing is left once it was told", () => {
  const noted = changes(["joined", "ada"], "page", ["left", "ada"]);
  noted.clear();
  expect([noted.size, noted.lists()]).toEqual([0, { joined: [] }]);
});
