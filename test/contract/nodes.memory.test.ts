import { MemoryNodes } from "../../src/broker/memory-nodes.ts";
import { nodesContract } from "./nodes.ts";

nodesContract({
  name: "memory",
  isAlone: true,
  async start(nodeId, setUp) {
    const nodes = new MemoryNodes(nodeId);
    setUp?.(nodes);
    return { nodes, stop: async () => undefined };
  },
  release: async () => undefined,
});
