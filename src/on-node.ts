import { parse } from "smol-toml";
import { start } from "./main.ts";
import { addWhatIsMissing } from "./node-20.ts";

/** The node on Node, with uWebSockets.js: what `bun run build:node` makes `dist/node/main.js` of. */

/** uWebSockets.js reads it when it is loaded; its own 4 KiB are too little for a long token. */
const MAX_HEADER_BYTES = "16384";

process.env["UWS_HTTP_MAX_HEADERS_SIZE"] ??= MAX_HEADER_BYTES;
addWhatIsMissing();
process.exit(await start(process.env, parse));
