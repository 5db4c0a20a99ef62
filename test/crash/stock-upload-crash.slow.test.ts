/** Kills the server at each step of a stock upload. After a restart the client repeats the same
 *  request, as the stock client does, and the upload must succeed. What was acknowledged is intact,
 *  and staging holds no debris. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { noise, zipOf } from '../actions/archives.ts'
import { callerOf, openRig, putBlock, putBlockList, tokenFor, type Caller } from '../actions/rig.ts'

const steps = ['block-received', 'block-staged', 'list-linked', 'list-accepted', 'finalized']
const bytes = zipOf({ 'a.bin': noise(400_000), 'b.txt': 'hello' }, 0)
const half = Math.floor(bytes.length / 2)
const blocks: [string, Buffer][] = [
  ['YQ==', bytes.subarray(0, half)],
  ['Yg==', bytes.subarray(half)],
]

/** Runs the upload until a request fails because the server died. Returns the acknowledged
 *  requests. */
async function uploadUntilDeath(
  job: Caller,
): Promise<{ target: string | null; acknowledged: string[] }> {
  const acknowledged: string[] = []
  let target: string | null = null
  try {
    target = await job.create('site')
    acknowledged.push('create')
    for (const [id, part] of blocks) {
      const response = await putBlock(target, id, part)
      if (response.status === 201) acknowledged.push(id)
    }
    const list = await putBlockList(
      target,
      blocks.map(([id]) => id),
    )
    if (list.status === 201) acknowledged.push('list')
    const { status } = await job.finalize('site', bytes)
    if (status === 200) acknowledged.push('finalize')
  } catch (error) {
    // fetch throws this when the connection breaks.
    if (!(error instanceof TypeError)) throw error
  }
  return { target, acknowledged }
}

test.each(steps)(
  'killed at %s, the upload continues after a restart as if nothing had happened',
  async (step) => {
    const dataDir = await mkdtemp(join(tmpdir(), 'trove-crash-'))
    const script = fileURLToPath(new URL('server-child.mjs', import.meta.url))
    const child = spawn(process.execPath, [script, dataDir, step], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    const died = exited.then(([code]) => {
      throw new Error(`the server exited with ${String(code)} before it listened`)
    })
    died.catch(() => undefined)
    const [line] = (await Promise.race([once(child.stdout, 'data'), died])) as [Buffer]
    const job = callerOf(line.toString().trim(), await tokenFor(dataDir), 'test')
    const { target, acknowledged } = await uploadUntilDeath(job)
    expect((await exited)[1]).toBe('SIGKILL')
    expect(acknowledged).not.toContain('finalize')

    const rig = await openRig({ dataDir })
    try {
      const again = await rig.as()
      const staging = join(dataDir, 'cas/staging/uploads')
      const leftovers = (await readdir(staging, { recursive: true })).filter((name) =>
        name.includes('incoming-'),
      )
      expect(leftovers).toEqual([])
      const { pathname, search } = new URL(target ?? '')
      // A client repeats exactly what was not acknowledged.
      for (const [id, part] of blocks) {
        if (!acknowledged.includes(id))
          expect((await putBlock(rig.url + pathname + search, id, part)).status).toBe(201)
      }
      if (!acknowledged.includes('list')) {
        expect(
          (
            await putBlockList(
              rig.url + pathname + search,
              blocks.map(([id]) => id),
            )
          ).status,
        ).toBe(201)
      }
      expect((await again.finalize('site', bytes)).status).toBe(200)
      const items = await again.list()
      expect(items).toHaveLength(1)
      const response = await fetch(await again.signedUrl(items[0]!))
      expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true)
    } finally {
      await rig.stop()
    }
    const last = await openRig({ dataDir })
    expect(await readdir(join(dataDir, 'cas/staging/uploads'))).toEqual([])
    await last.close()
  },
)
