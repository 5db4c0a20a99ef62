# The server and its commands. Usage: README, "In a container".
ARG NODE=24
FROM node:${NODE}-bookworm AS build
WORKDIR /opt/trove
COPY . .
RUN npm ci && npm prune --omit=dev

FROM node:${NODE}-bookworm-slim
COPY --from=build /opt/trove/package.json /opt/trove/
COPY --from=build /opt/trove/node_modules /opt/trove/node_modules
COPY --from=build /opt/trove/dist /opt/trove/dist
RUN ln -s /opt/trove/dist/src/cli/main.js /usr/local/bin/trove \
  && install --directory --owner=node --group=node --mode=700 /var/lib/trove
ENV TROVE_DATA=/var/lib/trove TROVE_HOST=0.0.0.0 MALLOC_ARENA_MAX=1
USER node
VOLUME /var/lib/trove
EXPOSE 7878
# A start that migrates or recovers a large store takes minutes.
# A server that starts on a full disk cannot write its address.
HEALTHCHECK --start-period=10m CMD ["node", "-e", "const file = process.env.TROVE_DATA + '/server.url'; fetch((fs.existsSync(file) ? fs.readFileSync(file) : 'http://127.0.0.1:' + (process.env.TROVE_PORT || 7878)) + '/readyz').then(async (answer) => { process.stdout.write(await answer.text()); process.exit(answer.ok ? 0 : 1) })"]
ENTRYPOINT ["trove"]
CMD ["serve"]
