/** The text of a manifest, as a client sends it. */
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { offeredLines } from '../../../src/ingest/negotiated/offered-lines.ts'

async function linesOf(...texts: (string | Buffer)[]): Promise<string[]> {
  const body = Readable.from([gzipSync(Buffer.concat(texts.map((text) => Buffer.from(text))))])
  const how = { encoding: 'gzip', header: 'head\n', textBytesMax: 1000 } as const
  const lines: string[] = []
  for await (const line of offeredLines(body, how)) lines.push(line)
  return lines
}

test('a text is its lines, and is rejected if it ends within one or within a character', async () => {
  expect(await linesOf('head\na\nb\n')).toEqual(['a', 'b'])
  for (const end of ['b', Buffer.from('é').subarray(0, 1)])
    await expect(linesOf('head\na\n', end)).rejects.toMatchObject({ code: 'invalid_request' })
})
