/** A server with a settable clock, and the calls of GitHub's protocol made by hand over real
 *  sockets. */
import { mkdtemp, open, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openKeys } from '../../src/auth/key.ts'
import { grantOf, type TokenRequest } from '../../src/auth/token-request.ts'
import { mintToken } from '../../src/auth/tokens.ts'
import { readServerConfig } from '../../src/config/config.ts'
import type { Environment } from '../../src/config/settings.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { createLog } from '../../src/log.ts'
import { startServer, type RunningServer, type ServerOptions } from '../../src/server.ts'
import { threadsOfTests } from '../http/open-server.ts'
import { makeEmptyDatabase } from '../metadata/temporary-database.ts'

export interface Rig {
  url: string
  dataDir: string
  logLines: string[]
  server: RunningServer
  /** Advances the server's clock. */
  advance(ms: number): void
  /** Mints a token; defaults to job `build` of run 1 of `octo/demo`. */
  token(request?: TokenRequest): Promise<string>
  /** Returns an authenticated caller. */
  as(request?: TokenRequest, options?: { userAgent?: string }): Promise<Caller>
  /** Stops the server; its directory is kept, so that `openRig` can start on it again. */
  stop(): Promise<void>
  /** Stops the server and removes its directory. */
  close(): Promise<void>
}

export interface TwirpAnswer {
  status: number
  body: Record<string, unknown>
}

export interface Caller {
  ids: { workflow_run_backend_id: string; workflow_job_run_backend_id: string }
  twirp(method: string, message: object): Promise<TwirpAnswer>
  /** CreateArtifact; returns the signed URL. */
  create(name: string, message?: object): Promise<string>
  /** A whole upload; returns the artifact's id. */
  upload(name: string, bytes: Buffer, message?: object): Promise<number>
  finalize(name: string, bytes: Buffer): Promise<TwirpAnswer>
  list(filter?: object): Promise<Record<string, string>[]>
  /** GetSignedArtifactURL as clients call it, with the ids from the list. */
  signedUrl(item: Record<string, string>): Promise<string>
  rest(path: string, init?: RequestInit): Promise<Response>
}

export interface RigOptions {
  environment?: Environment
  dataDir?: string
  checkpoint?: ServerOptions['checkpoint']
  graceMs?: number
}

export async function openRig(options: RigOptions = {}): Promise<Rig> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'trove-rig-')))
  const environment = { TROVE_WORKERS: '1', TROVE_LOG_LEVEL: 'info', ...options.environment }
  const config = readServerConfig({ data: dataDir, host: '127.0.0.1', port: '0' }, environment)
  let offsetMs = 0
  const now = (): number => Date.now() + offsetMs
  const logLines: string[] = []
  if (options.dataDir === undefined) await makeEmptyDatabase(join(dataDir, 'trove.db'))
  const server = await startServer(config, {
    log: createLog('info', (line) => logLines.push(line)),
    now,
    checkpoint: options.checkpoint,
    ...threadsOfTests,
    ...(options.graceMs !== undefined && { graceMs: options.graceMs }),
  })
  const token = async (request: TokenRequest = {}): Promise<string> =>
    await tokenFor(dataDir, request, now())
  return {
    url: server.url,
    dataDir,
    logLines,
    server,
    advance: (ms) => {
      offsetMs += ms
    },
    token,
    as: async (request, { userAgent = 'test' } = {}) =>
      callerOf(server.url, await token(request), userAgent),
    stop: async () => {
      await server.close()
    },
    close: async () => {
      await server.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

/** Mints a token with the key of a data directory; defaults to job `build` of run 1 of
 *  `octo/demo`. */
export async function tokenFor(
  dataDir: string,
  request: TokenRequest = {},
  now: number = Date.now(),
): Promise<string> {
  const keys = await openKeys(dataDir)
  const grant = grantOf({ project: 'octo/demo', run: 1, job: 'build', ...request }, now)
  return await mintToken(keys.tokens, grant)
}

export const service = '/twirp/github.actions.results.api.v1.ArtifactService'

/** The calls of one client, made by hand. */
export function callerOf(url: string, token: string, userAgent: string): Caller {
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
    scp?: string
  }
  const [, run = '', job = ''] = (claims.scp ?? '').split(':')
  const ids = { workflow_run_backend_id: run, workflow_job_run_backend_id: job }
  const headers = { authorization: `Bearer ${token}`, 'user-agent': userAgent }

  const twirp = async (method: string, message: object): Promise<TwirpAnswer> => {
    const response = await fetch(`${url}${service}/${method}`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ ...ids, ...message }),
    })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }
  const expectOk = async (method: string, message: object): Promise<Record<string, unknown>> => {
    const { status, body } = await twirp(method, message)
    if (status !== 200) throw new Error(`${method}: ${status} ${JSON.stringify(body)}`)
    return body
  }
  const finalize = async (name: string, bytes: Buffer): Promise<TwirpAnswer> =>
    await twirp('FinalizeArtifact', {
      name,
      ...(bytes.length > 0 && { size: String(bytes.length) }),
      hash: `sha256:${digestOf(bytes)}`,
    })
  const create = async (name: string, message: object = {}): Promise<string> =>
    String(
      (await expectOk('CreateArtifact', { name, version: 4, ...message }))['signed_upload_url'],
    )

  return {
    ids,
    twirp,
    create,
    finalize,
    upload: async (name, bytes, message = {}) => {
      const target = await create(name, message)
      await putBlocks(target, [['YQ==', bytes]])
      const { status, body } = await finalize(name, bytes)
      if (status !== 200) throw new Error(`FinalizeArtifact: ${status} ${JSON.stringify(body)}`)
      return Number(body['artifact_id'])
    },
    list: async (filter = {}) =>
      (await expectOk('ListArtifacts', filter))['artifacts'] as Record<string, string>[],
    signedUrl: async (item) => {
      const { workflow_run_backend_id, workflow_job_run_backend_id, name } = item
      const message = { workflow_run_backend_id, workflow_job_run_backend_id, name }
      return String((await expectOk('GetSignedArtifactURL', message))['signed_url'])
    },
    rest: async (path, init = {}) =>
      await fetch(url + path, {
        redirect: 'manual',
        ...init,
        headers: { authorization: `token ${token}`, 'user-agent': userAgent },
      }),
  }
}

export async function putBlock(target: string, blockId: string, bytes: Buffer): Promise<Response> {
  return await fetch(`${target}&comp=block&blockid=${encodeURIComponent(blockId)}`, {
    method: 'PUT',
    body: bytes,
  })
}

export async function putBlockList(
  target: string,
  blockIds: string[],
  contentType = 'zip',
): Promise<Response> {
  const items = blockIds.map((id) => `<Latest>${id}</Latest>`).join('')
  return await fetch(`${target}&comp=blocklist`, {
    method: 'PUT',
    headers: { 'x-ms-blob-content-type': contentType },
    body: `<?xml version="1.0" encoding="utf-8"?><BlockList>${items}</BlockList>`,
  })
}

/** Puts blocks and their list; throws unless every request returns 201. */
export async function putBlocks(
  target: string,
  blocks: [id: string, bytes: Buffer][],
): Promise<void> {
  for (const [id, bytes] of blocks) await expectCreated(await putBlock(target, id, bytes))
  await expectCreated(
    await putBlockList(
      target,
      blocks.map(([id]) => id),
    ),
  )
}

async function expectCreated(response: Response): Promise<void> {
  const text = await response.text()
  if (response.status !== 201) throw new Error(`${response.status} ${text}`)
}

/** Flips bits near the end of the largest pack, which a download reads last. */
export async function damageLastPack(rig: Rig): Promise<void> {
  const root = join(rig.dataDir, 'cas/packs')
  const packs: { path: string; size: number }[] = []
  for (const name of await readdir(root, { recursive: true })) {
    const path = join(root, name)
    const { size } = await stat(path)
    if (name.endsWith('.zip')) packs.push({ path, size })
  }
  const largest = packs.toSorted((a, b) => b.size - a.size)[0]
  if (largest === undefined) throw new Error('there is no pack to damage')
  const file = await open(largest.path, 'r+')
  await file.write(Buffer.alloc(4096, 0xaa), 0, 4096, Math.floor(largest.size * 0.8))
  await file.close()
}
