import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeDirectory } from '../client/tree.ts'
import { startTrove } from '../clients/trove-process.ts'

/** Runs in each thread before its code. */
const probe = `
const { threadId } = require('node:worker_threads')
const { heap_size_limit: bytes } = require('node:v8').getHeapStatistics()
require('node:fs').appendFileSync(process.env.PROBED, threadId + ' ' + bytes + '\\n')
`

test('the threads of the server have their own heap bounds', async () => {
  const directory = await makeDirectory({ 'probe.cjs': probe })
  const file = join(directory, 'probed')
  const NODE_OPTIONS = `--require ${join(directory, 'probe.cjs')}`
  const trove = await startTrove(join(directory, 'data'), { NODE_OPTIONS, PROBED: file })
  await trove.stop()
  const lines = (await readFile(file, 'utf8')).trim().split('\n')
  const mebibytes = lines.map((line) => line.split(' ').map(Number) as [number, number])
  const limits = new Map(mebibytes.map(([thread, bytes]) => [thread, bytes / 1024 / 1024]))
  expect(limits.get(0)).toBeGreaterThanOrEqual(512)
  limits.delete(0)
  expect(limits.size).toBeGreaterThanOrEqual(3)
  for (const limit of limits.values()) expect(limit).toBeLessThan(400)
})
