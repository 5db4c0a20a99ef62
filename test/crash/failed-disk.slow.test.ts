/** A disk that fails: the kernel makes an ext4 read-only under the running server. Needs the right
 *  to mount; test/http/failed-disk.test.ts simulates such a disk. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startTrove } from '../clients/trove-process.ts'

/** Mounts a new ext4; returns its directory and a function that makes it fail, or undefined where
 *  that is not possible, as in most containers. */
function mountDisk(): { directory: string; fail: () => void } | undefined {
  const root = mkdtempSync(join(tmpdir(), 'trove-failed-'))
  const [image, directory] = [join(root, 'image'), join(root, 'disk')]
  writeFileSync(image, '')
  truncateSync(image, 64 * 1024 * 1024)
  mkdirSync(directory)
  onTestFinished(() => {
    rmSync(root, { recursive: true })
  })
  try {
    execFileSync('mkfs.ext4', ['-q', image])
    execFileSync('mount', ['-o', 'loop,errors=remount-ro', image, directory])
  } catch (error) {
    process.stdout.write(`cannot mount an ext4: ${String(error)}\n`)
    return undefined
  }
  // Runs before the other one: the last registered is the first.
  onTestFinished(() => {
    execFileSync('umount', [directory])
  })
  const device = execFileSync('findmnt', ['-n', '-o', 'SOURCE', directory], { encoding: 'utf8' })
  return {
    directory,
    fail: () => {
      writeFileSync(`/sys/fs/ext4/${basename(device.trim())}/trigger_fs_error`, '1')
    },
  }
}

test('on a disk that became read-only, downloads go on, writes name the cause, and the log has no stacks', async ({
  skip,
}) => {
  const disk = mountDisk()
  if (disk === undefined) return skip('needs the right to mount')
  const { directory, fail } = disk
  const trove = await startTrove(join(directory, 'data'), { TROVE_GC_INTERVAL: '1s' })
  const headers = { authorization: `Bearer ${await trove.token()}` }
  const put = async (name: string): Promise<Response> =>
    await fetch(`${trove.url}/api/v1/projects/octo/demo/runs/1/artifacts/${name}`, {
      method: 'PUT',
      headers: { ...headers, 'content-type': 'application/octet-stream' },
      body: randomBytes(100_000),
    })
  expect((await put('one')).status).toBe(201)
  // Nothing that the server maps into memory is still to be written.
  execFileSync('sync')
  fail()
  for (let turn = 0; turn < 3; turn++) {
    const refused = await put('two')
    expect([refused.status, await refused.json()]).toMatchObject([503, { code: 'storage_failed' }])
    const file = await fetch(`${trove.url}/api/v1/artifacts/1/files/one`, { headers })
    expect([file.status, (await file.arrayBuffer()).byteLength]).toEqual([200, 100_000])
  }
  const ready = await fetch(`${trove.url}/readyz`)
  expect([ready.status, await ready.text()]).toEqual([
    503,
    expect.stringContaining('read-only file system (EROFS)'),
  ])
  expect(await trove.stop()).toBe(0)
  expect(trove.log()).toMatch(/"level":"error","message":"the store cannot be written"/)
  expect(trove.log()).not.toContain('    at ')
})
