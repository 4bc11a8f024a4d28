# The node as an image that needs nothing but its settings: docs/operations.md, "Container".
# The tags name the one version of Bun that the node is tested with.

# Here is a shell and a package manager; nothing of it but the packages reaches the image.
FROM oven/bun:1.4.4-slim AS dependencies
WORKDIR /app
# First and alone: the packages are installed anew only when one of these changes.
COPY package.json bun.lock bunfig.toml ./
RUN bun install --production --frozen-lockfile

# Bun and the C library: no shell, no package manager, nothing to run for whoever breaks in.
FROM oven/bun:1.4.4-distroless
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json bunfig.toml tsconfig.json LICENSE ./
COPY src ./src

# HOST: the network of a container is its own, and the port is published from outside.
# The cache would be a file: the root filesystem can be read-only, since the node writes nothing with these settings.
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    BUN_RUNTIME_TRANSPILER_CACHE_PATH=0

# A number, since `runAsNonRoot` of Kubernetes believes no name. The files above belong to root, so the node cannot change itself.
USER 65532:65532
EXPOSE 8080
# The node drains at it. Wait longer than DRAIN_DELAY_MS + DRAIN_MS before it is killed; Docker's own patience is 10 s.
STOPSIGNAL SIGTERM
# By the runtime: there is no curl. It asks /health and not /ready, for a node that drains is not sick.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["bun", "src/cli.ts", "health"]
# Without a shell in between the node is process 1 and gets the signals. Other commands: `docker run … tautline check-config`.
ENTRYPOINT ["bun", "src/cli.ts"]
CMD ["start"]
