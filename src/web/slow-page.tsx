/** Pages whose main part may take a while. If it does, everything before the part is sent at
 *  once with a sentence that says what is in progress; the part follows when it is ready. No
 *  script is needed: the style sheet hides the sentence once something follows it. */
import { html } from 'hono/html'
import type { Child } from 'hono/jsx'
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Readable } from 'node:stream'
import { constants, createGzip } from 'node:zlib'
import type { AppRequest } from '../http/context.ts'
import { noteFailure } from '../http/failure.ts'
import { acceptsGzip } from '../http/body/gzip.ts'
import { problemStatus } from '../http/problem.ts'
import { type PageContent, renderPage, sendPage, type Web, withMarksReplaced } from './page.tsx'
import { describeProblem, ProblemSection } from './problem-page.tsx'

export interface SlowContent extends Omit<PageContent, 'body'> {
  /** Renders the page around its slow part. */
  frame(part: Child): Child
  /** A sentence that says what is in progress. */
  waiting: string
  /** Renders the slow part. Errors: any; a late one is shown in place of the part. */
  part(): Promise<Child>
}

/** A part that is ready within this time is sent as an ordinary page; if it fails, with the
 *  status of its error. */
const patienceMs = 150

export async function sendSlowPage(
  web: Web,
  c: AppRequest,
  { frame, waiting, part, ...content }: SlowContent,
): Promise<Response> {
  const result = part()
  const isReady = await Promise.race([
    result.then(() => true),
    sleep(patienceMs, false, { ref: false }),
  ])
  if (isReady) return await sendPage(web, c, { ...content, body: frame(await result) })
  // Rendered inside this promise, since rendering can fail too.
  const late = result.then(markupOf).catch(async (error: unknown) => {
    return await markupOf(lateProblem(c, error))
  })
  const mark = randomBytes(16).toString('hex')
  const body = frame(
    <div>
      <p class="loading" role="status">
        {waiting}
      </p>
      {mark}
    </div>,
  )
  const { document, headers } = await renderPage(web, c, { ...content, body })
  const [before = '', after = ''] = document.split(mark)
  const isGzip = acceptsGzip(c)
  const rest = late.then((part) => part + after)
  const stream = Readable.toWeb(
    isGzip ? compressed(before, rest) : Readable.from(plain(before, rest)),
  )
  return c.body(stream as ReadableStream, 200, {
    ...headers,
    ...(isGzip && { 'content-encoding': 'gzip' }),
  })
}

async function markupOf(part: Child): Promise<string> {
  return withMarksReplaced(String(await html`<div class="part">${part}</div>`))
}

async function* plain(before: string, rest: Promise<string>): AsyncGenerator<Buffer> {
  yield Buffer.from(before)
  yield Buffer.from(await rest)
}

function compressed(before: string, rest: Promise<string>): Readable {
  const gzip = createGzip({ level: 6 })
  gzip.write(before)
  gzip.flush(constants.Z_SYNC_FLUSH)
  void rest.then((text) => {
    // The client may have disconnected.
    if (!gzip.destroyed) gzip.end(text)
  })
  return gzip
}

/** The status has already been sent, so the error appears in place of the part. */
function lateProblem(c: AppRequest, error: unknown): Child {
  const failure = noteFailure(c, error)
  const status = failure === undefined ? 500 : problemStatus(failure.code)
  return (
    <ProblemSection problem={describeProblem(failure, status)} requestId={c.get('requestId')} />
  )
}
