/** A server with its own directory and a settable clock, for tests of the native API. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect } from 'vitest'
import { openKeys } from '../../src/auth/key.ts'
import { createPeople, type People } from '../../src/auth/people.ts'
import { grantOf, type TokenRequest } from '../../src/auth/token-request.ts'
import { mintToken, type TokenUse } from '../../src/auth/tokens.ts'
import { readServerConfig } from '../../src/config/config.ts'
import { limits } from '../../src/core/limits.ts'
import { cookieName } from '../../src/http/access/authenticate.ts'
import type { Environment } from '../../src/config/settings.ts'
import { createLog } from '../../src/log.ts'
import { openIngestJobs } from '../../src/ingest/pool/ingest-jobs.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { type ServerOptions, startServer } from '../../src/server.ts'
import { inlineThread } from '../inline-thread.ts'
import { makeEmptyDatabase } from '../metadata/temporary-database.ts'
import { tarOf, type TarEntry } from './archives-of.ts'
import { noCapture } from '../no-capture.ts'

/** For contexts without single sign-on that a test puts together itself. */
export const nobody: People = createPeople([], { rules: [], awakeMs: 0, signInUrl: null })

export interface TestServer {
  url: string
  dataDir: string
  signInUrl: string
  /** Epoch ms of the server's clock, also used to mint tokens. Increasing `now` lets time pass;
   *  the part in `jumpedMs` counts as a clock jump instead. */
  clock: { now: number; jumpedMs: number }
  /** Mints a token; defaults to project `octo/app` and scope `write`. */
  token(request?: TokenRequest, use?: TokenUse): Promise<string>
  /** Mints a token; returns the variables that give `trove` this server and the token. */
  access(request?: TokenRequest): Promise<{ TROVE_URL: string; TROVE_TOKEN: string }>
  /** Sends a request with `token` (absent: the default one; null: none). Does not follow
   *  redirects. */
  send(path: string, request?: SendRequest): Promise<Response>
  /** The same as a signed-in browser; `visitor` is the grant of its session. */
  visit(path: string, visitor?: TokenRequest, request?: SendRequest): Promise<Response>
  /** Visits a page, which must be shown; returns its markup. */
  page(path: string, visitor?: TokenRequest): Promise<string>
  /** Records events of a run of `octo/app` from `sequence` on (default 0), as a runner does. */
  record(
    run: number,
    events: readonly object[],
    how?: { sequence?: number; token?: string },
  ): Promise<void>
  /** PUTs an artifact of `octo/app`, given as `RUN/NAME` with its query or as a whole path;
   *  returns its id. */
  put(place: string, request?: SendRequest): Promise<number>
  /** Notes the believed time, as the server does every ten minutes. */
  noteTime(at: number): Promise<void>
  close(): Promise<void>
}

export interface SendRequest {
  method?: string
  token?: string | null
  headers?: Record<string, string>
  body?: Uint8Array | string
  json?: unknown
  /** Entries of a tar that is the body. */
  tar?: TarEntry[]
}

/** In everyday runs servers use the thread of the tests instead of starting four, which takes most
 *  of the time of their start. Nobody keeps the log of their small databases short. Nothing in slow
 *  tests and where `CI` is set. */
export const threadsOfTests: Pick<
  ServerOptions,
  'openMetadata' | 'openLogKeeper' | 'startIngestThread'
> =
  process.env['CI'] === undefined && process.env['TROVE_TEST_THREADS'] === undefined
    ? {
        openMetadata: (options) => Promise.resolve(openSqliteMetadata(options)),
        openLogKeeper: () =>
          Promise.resolve({ capture: noCapture, close: () => Promise.resolve() }),
        startIngestThread: (data) => inlineThread(async () => await openIngestJobs(data)),
      }
    : {}

/** Opens a new directory, or `existing`, which is removed with the server. `checkpoint` is
 *  awaited at named steps; `warned` gets the lines of the log. */
export async function openServer(
  environment: Environment = {},
  existing?: string,
  checkpoint?: (step: string) => void | Promise<void>,
  warned?: (line: string) => void,
): Promise<TestServer> {
  const dataDir = existing ?? (await mkdtemp(join(tmpdir(), 'trove-')))
  const config = readServerConfig({ data: dataDir, host: '127.0.0.1', port: '0' }, environment)
  const clock = { now: Date.now(), jumpedMs: 0 }
  if (existing === undefined) await makeEmptyDatabase(join(dataDir, 'trove.db'))
  const server = await startServer(config, {
    log: createLog(warned === undefined ? 'error' : 'warn', warned),
    now: () => clock.now,
    elapsedMs: () => clock.now - clock.jumpedMs,
    checkpoint,
    ...threadsOfTests,
  })
  const keys = await openKeys(dataDir)
  const token = async (request: TokenRequest = {}, use: TokenUse = 'api'): Promise<string> =>
    await mintToken(
      keys.tokens,
      grantOf({ project: 'octo/app', scope: 'write', ...request }, clock.now),
      use,
    )
  const send = async (path: string, request: SendRequest = {}): Promise<Response> => {
    const bearer =
      request.token === undefined ? await token({ expiresInSeconds: 400 * 86_400 }) : request.token
    const { json, tar } = request
    const packed = tar === undefined ? request.body : await tarOf(tar)
    const body = json === undefined ? packed : JSON.stringify(json)
    return await fetch(new URL(path, server.url), {
      method: request.method ?? 'GET',
      redirect: 'manual',
      headers: {
        ...(bearer !== null && { authorization: `Bearer ${bearer}` }),
        ...(tar !== undefined && { 'content-type': 'application/x-tar' }),
        ...request.headers,
      },
      ...(body !== undefined && { body }),
    })
  }
  const visit: TestServer['visit'] = async (path, visitor = {}, request = {}) => {
    const session = await token({ expiresInSeconds: 400 * 86_400, ...visitor }, 'session')
    const name = cookieName(config.publicUrl ?? server.url, 'session')
    const headers = { cookie: `${name}=${session}`, ...request.headers }
    return await send(path, { ...request, token: null, headers })
  }
  const page: TestServer['page'] = async (path, visitor) => {
    const response = await visit(path, visitor)
    expect([path, response.status]).toEqual([path, 200])
    return await response.text()
  }
  const record: TestServer['record'] = async (run, events, { sequence = 0, ...who } = {}) => {
    const path = `/api/v1/projects/octo/app/runs/${run}/record`
    for (let at = 0; at < events.length; at += limits.runEventsMax) {
      const batch = events.slice(at, at + limits.runEventsMax)
      const json = { recording: '0'.repeat(32), sequence: sequence + at, events: batch }
      expect((await send(path, { method: 'PUT', json, ...who })).status).toBe(200)
    }
  }
  return {
    url: server.url,
    dataDir,
    signInUrl: server.signInUrl,
    clock,
    token,
    access: async (request) => ({ TROVE_URL: server.url, TROVE_TOKEN: await token(request) }),
    send,
    visit,
    page,
    record,
    put: async (place, request = {}) => {
      const path = place.startsWith('/')
        ? place
        : `/api/v1/projects/octo/app/runs/${place.replace('/', '/artifacts/')}`
      const response = await send(path, { method: 'PUT', body: 'content', ...request })
      const answer = (await response.json()) as { id: number }
      if (!response.ok) throw new Error(`PUT ${path}: ${JSON.stringify(answer)}`)
      return answer.id
    },
    noteTime: async (at) => {
      const metadata = openSqliteMetadata({ path: join(dataDir, 'trove.db') })
      await metadata.noteBelievedTime(at)
      await metadata.close()
    },
    close: async () => {
      await server.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

/** Opens a server for all tests of a file; must be called at its top level. */
export async function openSharedServer(environment: Environment = {}): Promise<TestServer> {
  const server = await openServer(environment)
  afterAll(server.close)
  return server
}

/** The parts of a problem that tests check. */
export async function problemOf(
  response: Response,
): Promise<{ status: number; code: string; body: Record<string, unknown> }> {
  const body = (await response.json()) as Record<string, unknown>
  return { status: response.status, code: String(body['code']), body }
}
