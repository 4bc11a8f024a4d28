import { afterEach, expect, test } from "bun:test";
import { framedOfType } from "../support/framed.ts";
import { shortest } from "../support/msgpack-forms.ts";
import { TestNode, token } from "../support/node.ts";
import type { RawPeer } from "../support/peer.ts";

/** What is recovered is what went out live, whichever framing it went out in then and whichever it is recovered in. */

let node: TestNode;

afterEach(() => node.stop());

async function connect(userId: string, framing: "json" | "msgpack"): Promise<RawPeer> {
  const jwt = token({ sub: userId, username: userId });
  const peer = await node.upgraded({ path: `/ws?token=${jwt}&format=${framing}` });
  await framedOfType(peer, "connected");
  return peer;
}

test("a recovery in parts and a history say the same in both framings as the live messages did", async () => {
  node = await TestNode.start({
    ...{ MESSAGES_PER_SECOND: "100000", MESSAGE_BURST: "100000", HISTORY_SIZE: "1000" },
    ...{ HISTORY_BYTES: "900000", MAX_UNSENT_BYTES: "1200000" },
  });
  const [ada, live] = [await connect("ada", "json"), await connect("live", "msgpack")];
  for (const peer of [ada, live]) {
    peer.send({ type: "join_room", roomSlug: "r" });
    await framedOfType(peer, "room_joined");
  }
  const COUNT = 200;
  const texts = ["é", "\u{1f600}", "\u2028", '"}]', "x"];
  for (let n = 0; n < COUNT; n += 1) {
    const message = `${n} ${(texts[n % texts.length] ?? "").repeat(700)}`;
    ada.send({ type: "chat_message", roomSlug: "r", message, messageId: `m${n}` });
  }
  const sent: unknown[] = [];
  while (sent.length < COUNT) sent.push((await framedOfType(live, "new_message")).frame);

  for (const framing of ["json", "msgpack"] as const) {
    const bob = await connect(`bob-${framing}`, framing);
    bob.send({ type: "join_room", roomSlug: "r", recover: { offset: 0, epoch: epochOf(sent[0]) } });
    const joined = await framedOfType(bob, "room_joined");
    expect(joined).toMatchObject({ framing, frame: { recovered: true, offset: COUNT } });
    const recovered = messagesIn(joined.frame);
    while (recovered.length < COUNT) {
      const part = await framedOfType(bob, "recovered");
      expect(part.framing).toBe(framing);
      recovered.push(...messagesIn(part.frame));
    }
    expect(recovered).toEqual(sent);

    bob.send({ type: "history", roomSlug: "r", limit: 20 });
    const history = await framedOfType(bob, "history");
    expect(messagesIn(history.frame)).toEqual(sent.slice(-20));
  }
});

test("a message that is sent again in the other framing is the same message, and another text under its id is not", async () => {
  node = await TestNode.start();
  const [text, bytes] = [await connect("ada", "json"), await connect("ada", "msgpack")];
  for (const peer of [text, bytes]) {
    peer.send({ type: "join_room", roomSlug: "r" });
    await framedOfType(peer, "room_joined");
  }
  const message = { type: "chat_message", roomSlug: "r", message: "é\u{1f600}\u2028 once", messageId: "m" };
  text.send(message);
  const { offset, epoch } = (await framedOfType(text, "message_sent")).frame;
  bytes.binary(shortest({ ...message, id: 2 }));
  expect((await framedOfType(bytes, "message_sent")).frame).toMatchObject({ messageId: "m", id: 2, offset, epoch });
  bytes.binary(shortest({ ...message, message: "twice" }));
  expect((await framedOfType(bytes, "error")).frame).toMatchObject({ code: "MESSAGE_ID_REUSED", messageId: "m" });
  text.send({ type: "history", roomSlug: "r" });
  expect(messagesIn((await framedOfType(text, "history")).frame)).toHaveLength(1);
});

function messagesIn({ messages }: { readonly [key: string]: unknown }): unknown[] {
  return Array.isArray(messages) ? messages : [];
}

function epochOf(message: unknown): unknown {
  const { epoch } = Object(message);
  return epoch;
}
