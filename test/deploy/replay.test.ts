import { describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseDockerfile } from "../support/dockerfile.ts";
import { buildImage, filesOf } from "../support/image.ts";

/** What replays the Dockerfile without an engine does as Docker does, or refuses. */

describe("the replay of a Dockerfile", () => {
  test.each([
    "ADD . /app",
    "ARG VERSION",
    'SHELL ["sh"]',
    "VOLUME /data",
    "run true",
    "COPY --chown=1:1 src ./src",
    "COPY a b c",
    "COPY $A b",
    "RUN --mount=type=cache true",
    "ENV A B",
    "ENV A=$B",
    "WORKDIR app",
    "WORKDIR /app/../..",
    "HEALTHCHECK NONE",
    "ENTRYPOINT [1]",
  ])("refuses %s, which it would not do as Docker does", (line) => {
    expect(() => parseDockerfile(`FROM a AS b\n${line}\n`)).toThrow();
  });

  test("knows nothing before FROM, and no base that a variable names", () => {
    expect(() => parseDockerfile("WORKDIR /app\n")).toThrow();
    expect(() => parseDockerfile("FROM $BASE\n")).toThrow();
  });

  test("copies what .dockerignore leaves, and refuses a file that it keeps out and a command that leads out of the image", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tautline-"));
    const build = async (dockerfile: string): Promise<readonly string[]> => {
      writeFileSync(join(folder, "Dockerfile"), `FROM a\nWORKDIR /w\n${dockerfile}\n`);
      const made = await buildImage(folder);
      const paths = filesOf(made);
      made.remove();
      return paths;
    };
    for (const path of ["src", "data"]) mkdirSync(join(folder, path));
    for (const path of [".env", "src/a.ts", "src/b.log", "data/c"]) writeFileSync(join(folder, path), "");
    writeFileSync(join(folder, ".dockerignore"), "# all but\n*\n!src\nsrc/*.log\n");
    expect(await build("COPY . ./")).toEqual(["/w/src/a.ts"]);
    expect(await build("COPY src /x")).toEqual(["/x/a.ts"]);
    await expect(build("COPY .env ./")).rejects.toThrow("COPY .env");
    await expect(build("RUN touch /tmp/x")).rejects.toThrow("absolute");
    rmSync(folder, { recursive: true });
  });
});
