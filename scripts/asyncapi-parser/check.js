import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

// What the AsyncAPI project's own parser says of the file that is named: nothing, or one line for each error and warning.
const { diagnostics } = await new Parser().parse(readFileSync(process.argv[2], "utf8"));
const serious = diagnostics.filter(({ severity }) => [0, 1].includes(severity));
for (const { code, message, path } of serious) console.log(`${String(code)} at ${path.join(".")}: ${message}`);
process.exit(serious.length === 0 ? 0 : 1);
