/** Twirp requests are parsed as leniently as clients need. */
import { expect, test } from 'vitest'
import {
  parseCreateRequest,
  parseFinalizeRequest,
  parseListRequest,
} from '../../src/actions/twirp/messages.ts'

const ids = { workflow_run_backend_id: '1', workflow_job_run_backend_id: 'build' }
const digest = 'a'.repeat(64)

test('snake_case and camelCase are equivalent', () => {
  const snake = parseCreateRequest({
    ...ids,
    name: 'a',
    mime_type: 'text/plain',
    expires_at: '2026-01-02T03:04:05.678Z',
  })
  const camel = parseCreateRequest({
    workflowRunBackendId: '1',
    workflowJobRunBackendId: 'build',
    name: 'a',
    mimeType: 'text/plain',
    expiresAt: '2026-01-02T04:04:05.678+01:00',
  })
  expect(camel).toEqual(snake)
  expect(snake.expiresAt).toBe(Date.UTC(2026, 0, 2, 3, 4, 5, 678))
})

test('an int64 may be text or a number, and is absent when it is 0', () => {
  const sizeOf = (size: unknown): number =>
    parseFinalizeRequest({ ...ids, name: 'a', size }).sizeBytes
  expect(sizeOf('761')).toBe(761)
  expect(sizeOf(761)).toBe(761)
  expect(sizeOf(undefined)).toBe(0)
  expect(sizeOf(null)).toBe(0)
  for (const wrong of ['-1', '1.5', 1.5, -1, 'x', true, '9'.repeat(19)]) {
    expect(() => sizeOf(wrong)).toThrow('size must be a whole number')
  }
})

test('unknown fields are ignored, absent ones have their defaults', () => {
  expect(parseListRequest({ ...ids, name_filter: '', future: { nested: [1] } })).toEqual({
    run: '1',
    job: 'build',
    nameFilter: null,
    idFilter: null,
  })
  expect(parseListRequest({})).toMatchObject({ run: '', job: '' })
})

test('a hash is accepted only in its exact form', () => {
  const digestOf = (hash: unknown): unknown =>
    parseFinalizeRequest({ ...ids, name: 'a', hash }).digest
  expect(digestOf(`sha256:${digest}`)).toBe(digest)
  expect(digestOf(undefined)).toBeNull()
  for (const wrong of [
    digest,
    `SHA256:${digest}`,
    `sha256:${digest.toUpperCase()}`,
    'md5:00',
    { value: digest },
  ]) {
    expect(() => digestOf(wrong)).toThrow('hash')
  }
})

test('a message that is not an object, or a field of another type, is rejected by name', () => {
  for (const body of [null, [], 'x', 1])
    expect(() => parseListRequest(body)).toThrow('body must be a JSON object')
  expect(() => parseCreateRequest({ ...ids, name: 5 })).toThrow('name must be a string')
  expect(() => parseCreateRequest({ ...ids, name: 'a', expires_at: 'tomorrow' })).toThrow(
    'expires_at',
  )
})
