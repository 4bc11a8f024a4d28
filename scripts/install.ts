import { spawnSync } from "node:child_process";

/** Brings node_modules to what bun.lock says; takes some milliseconds when it is there already. False when that failed. */
export function installed(): boolean {
  const install = spawnSync(process.execPath, ["install", "--frozen-lockfile", "--silent"], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (install.status !== 0) process.stderr.write("The packages of bun.lock could not be installed.\n");
  return install.status === 0;
}
