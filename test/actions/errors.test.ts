/** What the stock clients are told, rule by rule of their retry behaviour. */
import { expect, test } from 'vitest'
import { azureErrorResponse } from '../../src/actions/azure-error.ts'
import { twirpErrorResponse } from '../../src/actions/twirp-error.ts'
import { storeError, type StoreError } from '../../src/core/errors.ts'
import { createApp } from '../../src/http/app.ts'
import type { AppContext } from '../../src/http/context.ts'
import { createRequestMetrics } from '../../src/http/operation/metrics.ts'
import { problemResponse } from '../../src/http/problem.ts'
import { createLog } from '../../src/log.ts'
import { createRenderer } from '../../src/web/renderer.ts'

const taken = storeError('name_taken', 'artifact 7 has the name', { name: 'a', artifactId: 7 })
const busy = storeError('busy', 'too much at once', { what: 'uploads' })
const full = storeError('storage_full', 'the disk is full', { neededBytes: null })

async function twirp(error: StoreError): Promise<{ status: number; body: unknown }> {
  const response = twirpErrorResponse(error, 'r')
  return { status: response.status, body: await response.json() }
}

test('a taken name has the words that users search for', async () => {
  expect(await twirp(taken)).toEqual({
    status: 409,
    body: {
      code: 'already_exists',
      msg: 'an artifact with this name already exists on the workflow run',
    },
  })
})

test('only failures that can pass have a Twirp status that is tried again', async () => {
  expect((await twirp(busy)).status).toBe(503)
  expect((await twirp(full)).status).toBe(507)
  const expired = { artifactId: 1, expiredAt: 0, reason: 'retention' }
  expect(await twirp(storeError('artifact_expired', 'x', expired))).toMatchObject({ status: 404 })
})

test('overload on blob routes is 503, and messages survive XML', async () => {
  const response = azureErrorResponse(busy, 'r')
  expect(response.status).toBe(503)
  expect(response.headers.get('x-ms-error-code')).toBe('ServerBusy')
  const message = await azureErrorResponse(
    storeError('not_found', 'a < b & "c"', { what: 'x' }),
    'r',
  ).text()
  expect(message).toContain(
    '<Code>BlobNotFound</Code><Message>a &#60; b &#38; &#34;c&#34;</Message>',
  )
})

test('a problem carries its code, its facts in wire form, and whether asking again can help', async () => {
  const response = problemResponse(
    storeError('artifact_expired', 'gone', { artifactId: 3, expiredAt: 0, reason: 'retention' }),
    'r1',
  )
  expect(response.status).toBe(410)
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  expect(await response.json()).toEqual({
    type: 'about:blank',
    title: 'Gone',
    status: 410,
    detail: 'gone',
    code: 'artifact_expired',
    retryable: false,
    requestId: 'r1',
    artifactId: 3,
    expiredAt: '1970-01-01T00:00:00.000Z',
    reason: 'retention',
  })
})

test('a problem names the limit and the setting that moves it', async () => {
  const error = storeError('too_large', 'x', {
    limit: 'bytes',
    limitValue: 5,
    setting: 'TROVE_MAX_ARTIFACT',
  })
  expect(await problemResponse(error, 'r').json()).toMatchObject({
    status: 413,
    limitValue: 5,
    setting: 'TROVE_MAX_ARTIFACT',
  })
})

test('an unauthenticated problem says how to authenticate', () => {
  const response = problemResponse(storeError('unauthenticated', 'x', { reason: 'no token' }), 'r')
  expect(response.headers.get('www-authenticate')).toContain('Bearer')
})

/** What no route has caught, here because the disk cannot even be asked for its room. */
test.each([
  ['POST', '/twirp/x/CreateArtifact', { code: 'internal', msg: expect.any(String) as string }],
  ['PUT', '/blob/artifacts/x', '<Code>InternalError</Code>'],
  ['PUT', '/api/v1/projects/a/b', { code: 'internal', detail: expect.any(String) as string }],
])('a bug that %s %s meets is told as its clients read it', async (method, path, told) => {
  const context = {
    config: { contentUrl: null },
    log: createLog('error', () => {}),
    metrics: createRequestMetrics(),
    stopping: new AbortController().signal,
    space: {
      requireRoom: async () => await Promise.reject(new Error('/secret/path cannot be asked')),
    },
  } as unknown as AppContext
  const response = await createApp(context, createRenderer()).request(path, { method })
  expect(response.status).toBe(500)
  const text = await response.text()
  expect(text).not.toContain('secret')
  expect(text).toContain(response.headers.get('x-request-id'))
  if (typeof told === 'string') expect(text).toContain(told)
  else expect(JSON.parse(text)).toMatchObject(told)
})
