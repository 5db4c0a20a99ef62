/** `trove serve`: runs the server until a signal stops it. */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { readServerConfig } from '../../config/config.ts'
import { limits } from '../../core/limits.ts'
import { createLog } from '../../log.ts'
import { readProgramVersion } from '../../program-files.ts'
import { startServer } from '../../server.ts'
import type { Command } from '../command.ts'
import { write } from '../output/output.ts'
import { suggestion } from '../suggestion.ts'

const flags = {
  data: {
    value: 'DIR',
    help: "data directory (TROVE_DATA; default: data in this command's checkout, else in the user's data directory)",
  },
  host: { value: 'HOST', help: 'address to listen on (TROVE_HOST; default 127.0.0.1)' },
  port: { value: 'PORT', help: 'port to listen on (TROVE_PORT; default 7878; 0 picks a free one)' },
} as const

/** How long a stop may take: what running requests get, and then the end of what waits for a disk
 *  or a bucket. Service managers kill after a minute and a half (`deploy/`), and would call it a
 *  failure. */
const stopMsMax = limits.stopGraceMs + 20_000

export const serveCommand: Command<typeof flags> = {
  operands: '',
  summary:
    'Start the server. Prints its address on stdout and a sign-in link on stderr. All other settings are environment variables, listed in README.md.',
  flags,
  examples: [
    'trove serve',
    'trove serve --data /srv/trove --host 0.0.0.0 --port 8080',
    'TROVE_S3_BUCKET=ci-artifacts TROVE_RESTORE=on TROVE_CHANGES_INTERVAL=0 trove serve --data /tmp/trove',
  ],
  exitStatuses: [13],
  async run({ flags: given, stdout, stderr, signal }) {
    const config = readServerConfig(given)
    const log = createLog(config.logLevel)
    for (const name of config.unknownVariables) {
      const meant = suggestion(name, config.knownVariables)
      log.warn(`${name} is not a setting of the server${meant === undefined ? '' : `; ${meant}`}`)
    }
    const server = await Promise.race([startServer(config, { log }), aborted(signal)])
    if (server === undefined) {
      log.info('stopped before the start was complete')
      return
    }
    const { url } = server
    log.info('started', { version: readProgramVersion(), url, dataDir: config.dataDir })
    await write(stdout, `listening on ${url}\n`)
    await write(stderr, `sign in: ${server.signInUrl}\n`)
    const replaced = await Promise.race([server.replaced, aborted(signal)])
    if (replaced === undefined) log.info('stopping')
    else log.error('stopping: another server has taken the place of this one', { error: replaced })
    const late = sleep(stopMsMax, 'late' as const, { ref: false })
    if ((await Promise.race([server.close(), late])) !== 'late') log.info('stopped')
    else log.warn('stopped in the midst of work that did not end; the next start continues')
    if (replaced !== undefined) throw replaced
  },
}

/** A start that is no longer wanted is left where it is: the next one continues as after a crash. A
 *  migration is one transaction. */
async function aborted(signal: AbortSignal): Promise<undefined> {
  if (!signal.aborted) await once(signal, 'abort')
}
