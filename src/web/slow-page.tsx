/** Pages whose main part can take a while: when it does, everything around it is sent at once, with a sentence about what
 *  is being waited for, and the part when it is there. No script is needed: the style sheet hides the sentence once
 *  something comes after it. */
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
import { type PageContent, renderPage, sendPage, type Web } from './page.tsx'
import { describeProblem, ProblemSection } from './problem-page.tsx'

export interface SlowContent extends Omit<PageContent, 'body'> {
  /** The page around its slow part. */
  frame(part: Child): Child
  /** What is being waited for, as a sentence. */
  waiting: string
  /** The slow part. Errors: any; one that comes late is shown where the part would be. */
  part(): Promise<Child>
}

/** What is there within this time is a page like others, with the status of its failure if it fails. */
const patienceMs = 150

export async function sendSlowPage(
  web: Web,
  c: AppRequest,
  { frame, waiting, part, ...content }: SlowContent,
): Promise<Response> {
  const result = part()
  const isThere = await Promise.race([
    result.then(() => true),
    sleep(patienceMs, false, { ref: false }),
  ])
  if (isThere) return await sendPage(web, c, { ...content, body: frame(await result) })
  // Put together as soon as it is there, since that can fail too.
  const late = result.then(markupOf).catch(async (error: unknown) => {
    return await markupOf(lateProblem(c, error))
  })
  return await sendInTwo(web, c, { content, frame, waiting, late })
}

async function markupOf(part: Child): Promise<string> {
  return String(await html`<div class="part">${part}</div>`)
}

async function sendInTwo(
  web: Web,
  c: AppRequest,
  {
    content,
    frame,
    waiting,
    late,
  }: { content: Omit<PageContent, 'body'>; late: Promise<string> } & Pick<
    SlowContent,
    'frame' | 'waiting'
  >,
): Promise<Response> {
  const mark = randomBytes(16).toString('hex')
  const body = frame(
    <div class="slot">
      <p class="loading" role="status">
        {waiting}
      </p>
      {mark}
    </div>,
  )
  const { document, headers } = await renderPage(web, c, { ...content, body })
  const [before = '', after = ''] = document.split(mark)
  const isPacked = acceptsGzip(c)
  const rest = late.then((part) => part + after)
  const stream = Readable.toWeb(
    isPacked ? packed(before, rest) : Readable.from(plain(before, rest)),
  )
  return c.body(stream as ReadableStream, 200, {
    ...headers,
    ...(isPacked && { 'content-encoding': 'gzip' }),
  })
}

async function* plain(before: string, rest: Promise<string>): AsyncGenerator<Buffer> {
  yield Buffer.from(before)
  yield Buffer.from(await rest)
}

function packed(before: string, rest: Promise<string>): Readable {
  const gzip = createGzip({ level: 6 })
  gzip.write(before)
  gzip.flush(constants.Z_SYNC_FLUSH)
  void rest.then((text) => {
    // Whoever asked may be gone.
    if (!gzip.destroyed) gzip.end(text)
  })
  return gzip
}

/** The status is out already, so what went wrong is said in its place. */
function lateProblem(c: AppRequest, error: unknown): Child {
  const failure = noteFailure(c, error)
  const status = failure === undefined ? 500 : problemStatus(failure.code)
  return (
    <ProblemSection problem={describeProblem(failure, status)} requestId={c.get('requestId')} />
  )
}
