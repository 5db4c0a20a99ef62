import { createServer } from 'node:http'
import { expect, test } from 'vitest'
import { findEntry } from '../../src/client/find-entry.ts'
import { listen } from './listen.ts'

test('looking up a file keeps the connection', async () => {
  const line = { kind: 'file', path: 'a', mode: '0644', sizeBytes: 1, modifiedAt: null }
  const server = createServer((_, response) => response.end(`${JSON.stringify(line)}\n`))
  let connections = 0
  server.on('connection', () => (connections += 1))
  const access = { url: await listen(server), token: null }
  const never = new AbortController().signal
  for (let time = 0; time < 3; time++)
    expect(await findEntry(access, { id: 1, name: 'x' }, 'a', never)).toMatchObject({ path: 'a' })
  expect(connections).toBe(1)
})
