/** The log line of a request, written once its response was sent or cut off. */
import { type AppRequest, outgoingOf } from './context.ts'

/** nginx's status for a client that closed the connection before the response. Used in logs and
 *  metrics only, and not counted as a failure of ours. */
export const clientClosedRequest = 499

/** Longer texts are cut: anybody can send a path of 16 KiB. */
const textCharactersMax = 500

/** Call before the request is handled. Returns a function that writes the line, now or once the
 *  response ends. `path` holds no credential; `onSent` receives the bytes that were written to the
 *  socket for the response, headers and framing included. */
export function watchRequest(
  c: AppRequest,
  { path, onSent }: { path: string; onSent: (bytes: number) => void },
): (level: 'debug' | 'info', status: number) => void {
  const startedAt = performance.now()
  const outgoing = outgoingOf(c)
  const { socket } = outgoing ?? {}
  const before = socket?.bytesWritten ?? 0
  let write: (() => void) | undefined
  let sentBytes: number | undefined
  outgoing?.once('close', () => {
    sentBytes = (socket?.bytesWritten ?? 0) - before
    onSent(sentBytes)
    write?.()
  })
  return (level, status) => {
    write = () => {
      const isWhole = c.get('isBodyComplete') === true && socket?.writableLength === 0
      const isCut = outgoing?.writableFinished === false && !isWhole
      c.get('log')[level]('request', {
        method: c.req.method,
        path: shortened(path),
        status,
        durationMs: Math.round((performance.now() - startedAt) * 10) / 10,
        sentBytes,
        ...callerOf(c),
        signer: c.get('signer')?.lineage[0],
        failure: c.get('failure') ?? (isCut ? 'aborted' : undefined),
        reason: shortened(c.get('reason')),
      })
    }
    if (outgoing === undefined || sentBytes !== undefined) write()
  }
}

/** Whose token it was: as `trove token list` and the audit log name it, or by its run. */
function callerOf(c: AppRequest): Record<string, string | number | undefined> {
  const principal = c.get('principal')
  if (principal === undefined) return {}
  const { lineage, scope, project, run } = principal
  return { token: lineage[0], scope, project: project ?? undefined, run: run?.number }
}

function shortened<Text extends string | undefined>(text: Text): Text | string {
  return text === undefined || text.length <= textCharactersMax
    ? text
    : `${text.slice(0, textCharactersMax)}…`
}
