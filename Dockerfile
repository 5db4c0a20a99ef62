# The server and its commands. Usage: README, "In a container".
ARG NODE=24
FROM node:${NODE}-bookworm AS build
WORKDIR /opt/trove
# First, so that a build after a change of the source takes them from the cache.
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts && npm rebuild better-sqlite3
COPY . .
# The checkout of a strict umask is readable by nobody else.
RUN chmod -R a+rX *.json schema src && npm run --silent build && npm prune --omit=dev \
  && rm -r node_modules/better-sqlite3/deps \
  && find node_modules/better-sqlite3/build -type f ! -name better_sqlite3.node -delete \
  && find node_modules \( -name '*.map' -o -name '*.ts' -o -name '*.[cm]ts' \) -delete

FROM node:${NODE}-bookworm-slim
COPY --from=build /opt/trove/package.json /opt/trove/
COPY --from=build /opt/trove/node_modules /opt/trove/node_modules
COPY --from=build /opt/trove/dist /opt/trove/dist
RUN ln -s /opt/trove/dist/src/cli/main.js /usr/local/bin/trove \
  && install --directory --owner=node --group=node --mode=700 /var/lib/trove
ENV TROVE_DATA=/var/lib/trove TROVE_HOST=0.0.0.0 MALLOC_ARENA_MAX=1
# By number, so that Kubernetes can tell that it is not root.
USER 1000
VOLUME /var/lib/trove
EXPOSE 7878
# A start that migrates or recovers a large store takes minutes.
# A server that starts on a full disk cannot write its address.
HEALTHCHECK --start-period=10m CMD ["node", "-e", "const file = process.env.TROVE_DATA + '/server.url'; fetch((fs.existsSync(file) ? fs.readFileSync(file) : 'http://127.0.0.1:' + (process.env.TROVE_PORT || 7878)) + '/readyz').then(async (answer) => { process.stdout.write(await answer.text()); process.exit(answer.ok ? 0 : 1) })"]
ENTRYPOINT ["trove"]
CMD ["serve"]
