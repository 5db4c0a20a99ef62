/** A server that kills its own process with SIGKILL at a named step. Arguments: data directory,
 *  step. Prints its URL to stdout. Runs compiled code, like a server. */
import { readServerConfig } from '../../dist/src/config/config.js'
import { createLog } from '../../dist/src/log.js'
import { startServer } from '../../dist/src/server.js'

const [data, step] = process.argv.slice(2)
const config = readServerConfig({ data, host: '127.0.0.1', port: '0' }, { TROVE_WORKERS: '1' })
const server = await startServer(config, {
  log: createLog('error'),
  checkpoint: (reached) => {
    if (reached === step) process.kill(process.pid, 'SIGKILL')
  },
})
process.stdout.write(`${server.url}\n`)
