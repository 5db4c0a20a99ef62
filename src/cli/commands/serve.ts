/** `trove serve`: the server, until a signal ends it. */
import { once } from 'node:events'
import { readServerConfig } from '../../config.ts'
import { createLog } from '../../log.ts'
import { startServer } from '../../server.ts'
import { takeOperands } from '../arguments.ts'
import type { Command } from '../command.ts'
import { exitStatus } from '../exit-status.ts'
import { write } from '../output.ts'

const flags = {
  data: {
    value: 'DIR',
    help: 'where everything is kept (TROVE_DATA; ./data in a checkout, else with the user)',
  },
  host: { value: 'HOST', help: 'address to listen on (TROVE_HOST; default 127.0.0.1)' },
  port: { value: 'PORT', help: 'port to listen on (TROVE_PORT; default 7878; 0 picks a free one)' },
} as const

export const serveCommand: Command<typeof flags> = {
  name: 'serve',
  operands: '',
  summary:
    'Starts the server. Prints where it listens on stdout, and a sign-in link on stderr. All other settings are variables, which README.md lists.',
  flags,
  examples: ['trove serve', 'trove serve --data /srv/trove --host 0.0.0.0 --port 8080'],
  exitStatuses: [13],
  async run({ flags: given, operands, stdout, stderr, signal }) {
    takeOperands(operands, [])
    const config = readServerConfig(given)
    const log = createLog(config.logLevel)
    for (const name of config.unknownVariables) log.warn(`${name} is no setting of a server`)
    const server = await startServer(config, { log })
    await write(stdout, `listening on ${server.url}\n`)
    await write(stderr, `sign in: ${server.signInUrl}\n`)
    if (!signal.aborted) await once(signal, 'abort')
    log.info('stopping')
    await server.close()
    log.info('stopped')
    return exitStatus.ok
  },
}
