/** Error responses to stock clients, according to their retry behaviour. */
import { expect, test } from 'vitest'
import { azureErrorResponse } from '../../src/actions/azure/error.ts'
import { twirpErrorResponse } from '../../src/actions/twirp/error.ts'
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

test('a taken name has the message that users search for', async () => {
  expect(await twirp(taken)).toEqual({
    status: 409,
    body: {
      code: 'already_exists',
      msg: 'an artifact with this name already exists on the workflow run',
    },
  })
})

test('only transient errors have a Twirp status that is retried', async () => {
  expect((await twirp(busy)).status).toBe(503)
  expect((await twirp(full)).status).toBe(507)
  const expired = { artifactId: 1, expiredAt: 0, reason: 'retention' }
  expect(await twirp(storeError('artifact_expired', 'x', expired))).toMatchObject({ status: 404 })
})

test('overload on blob routes is 503, and messages are escaped for XML', async () => {
  const response = azureErrorResponse(busy, 'r')
  expect(response.status).toBe(503)
  expect(response.headers.get('x-ms-error-code')).toBe('ServerBusy')
  const message = await azureErrorResponse(
    storeError('not_found', 'a < b & "c"\u0001', { what: 'x' }),
    'r',
  ).text()
  expect(message).toContain(
    '<Code>BlobNotFound</Code><Message>a &#60; b &#38; &#34;c&#34;\ufffd</Message>',
  )
})

test('a problem has its code, its details in wire form, and whether a retry can help', async () => {
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

test('a problem names the limit and the setting that changes it', async () => {
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

test('an unauthenticated problem names the authentication scheme', () => {
  const response = problemResponse(storeError('unauthenticated', 'x', { reason: 'no token' }), 'r')
  expect(response.headers.get('www-authenticate')).toContain('Bearer')
})

/** An error that no route handles: here even the free disk space cannot be determined. */
test.each([
  ['POST', '/twirp/x/CreateArtifact', { code: 'internal', msg: expect.any(String) as string }],
  ['PUT', '/blob/artifacts/x', '<Code>InternalError</Code>'],
  ['PUT', '/api/v1/projects/a/b', { code: 'internal', detail: expect.any(String) as string }],
])('a bug met by %s %s is reported in the format of its clients', async (method, path, told) => {
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
