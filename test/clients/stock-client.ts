/** Drives the published artifact client unmodified: `@actions/artifact` is the newest release,
 *  `artifact-v2` the one in upload-artifact v4.6. Each client is a child process with the
 *  environment that a runner would give it. */
import type { ArtifactClient } from '@actions/artifact'
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export type StockLibrary = '@actions/artifact' | 'artifact-v2'
export const stockLibraries: StockLibrary[] = ['@actions/artifact', 'artifact-v2']

/** What a runner passes to a job. */
export interface StockPlace {
  /** ACTIONS_RESULTS_URL: origin of the server. */
  url: string
  /** ACTIONS_RUNTIME_TOKEN. */
  token: string
  /** GITHUB_SERVER_URL. The client checks only that it accepts the host. */
  serverUrl?: string
  /** Additional variables. */
  environment?: Record<string, string>
}

export interface StockClient extends ArtifactClient {
  /** Process id of the client, for measuring and killing it. */
  readonly pid: number
  /** The client's output so far. */
  log(): string
  /** Kills the process, whatever it is doing. */
  close(): Promise<void>
}

interface Answer {
  call: number
  value?: unknown
  error?: { name: string; message: string }
}

/** Starts a client. Calls may run concurrently, like those of one job step. A failed call rejects
 *  with the client's own error name and message. */
export async function openStockClient(
  place: StockPlace,
  library: StockLibrary = '@actions/artifact',
): Promise<StockClient> {
  const child = fork(fileURLToPath(new URL('stock-client-child.mjs', import.meta.url)), [library], {
    // Inherits only what is needed to find programs, so that an enclosing runner cannot affect the
    // client.
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      ACTIONS_RESULTS_URL: place.url,
      ACTIONS_RUNTIME_TOKEN: place.token,
      GITHUB_SERVER_URL: place.serverUrl ?? 'https://github.com',
      ...place.environment,
    },
    serialization: 'advanced',
    silent: true,
  })
  let log = ''
  for (const output of [child.stdout, child.stderr]) {
    output?.setEncoding('utf8').on('data', (text: string) => {
      log += text
    })
  }
  await once(child, 'message')
  const call = openCalls(child, () => log)
  return {
    pid: child.pid!,
    log: () => log,
    uploadArtifact: (...args) => call('uploadArtifact', args),
    listArtifacts: (...args) => call('listArtifacts', args),
    getArtifact: (...args) => call('getArtifact', args),
    downloadArtifact: (...args) => call('downloadArtifact', args),
    deleteArtifact: (...args) => call('deleteArtifact', args),
    close: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    },
  }
}

type Call = <Method extends keyof ArtifactClient>(
  method: Method,
  args: Parameters<ArtifactClient[Method]>,
) => ReturnType<ArtifactClient[Method]>

function openCalls(child: ChildProcess, log: () => string): Call {
  let calls = 0
  const waiting = new Map<number, (answer: Omit<Answer, 'call'>) => void>()
  child.on('message', ({ call, ...answer }: Answer) => waiting.get(call)?.(answer))
  child.on('exit', (code, signal) => {
    const message = `the client exited (${signal ?? code}): ${log().slice(-2000)}`
    for (const settle of waiting.values()) settle({ error: { name: 'ClientExit', message } })
  })
  const call = async (method: string, args: unknown[]): Promise<unknown> => {
    const id = ++calls
    const answer = await new Promise<Omit<Answer, 'call'>>((resolve) => {
      waiting.set(id, resolve)
      child.send({ call: id, method, args })
    })
    waiting.delete(id)
    if (answer.error === undefined) return answer.value
    throw Object.assign(new Error(answer.error.message), { name: answer.error.name })
  }
  return call as Call
}
