/** `trove gc`, `scrub`, `backup` and `recover` as an operator runs them: through a server, on a
 *  data directory, and on one that another process holds. The restore test runs the README's
 *  commands literally. */
import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readFile, rename, symlink, utimes, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { buffer } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import SqliteDatabase from 'better-sqlite3'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { openKeys } from '../../src/auth/key.ts'
import { encodeJoiningSync } from '../../src/packs/codec/codec.ts'
import { lockDataDir } from '../../src/metadata/sqlite/data-lock.ts'
import { builtUrl } from '../../src/program-files.ts'
import { listen } from '../client/listen.ts'
import { makeDirectory } from '../client/tree.ts'
import { startTrove, type TroveProcess } from '../clients/trove-process.ts'
import { tarOf } from '../http/archives-of.ts'
import { packPaths, spoil } from '../lifecycle/stored-bytes.ts'
import { type Outcome, runTrove } from './run-trove.ts'

const quiet = { TROVE_GC_INTERVAL: 'off', TROVE_MIN_FREE: '0', TROVE_LOG_LEVEL: 'error' }
const files = { 'a.txt': 'alpha '.repeat(500), 'b.txt': 'beta '.repeat(500) }

let root: string
let data: string
beforeEach(async () => {
  root = await makeDirectory()
  data = join(root, 'data')
})

async function serve(settings: Record<string, string> = {}): Promise<TroveProcess> {
  const server = await startTrove(data, { ...quiet, ...settings })
  onTestFinished(async () => {
    await server.stop()
  })
  return server
}

/** PUTs to run 1 of octo/demo; returns the id. */
async function put(
  server: TroveProcess,
  name: string,
  body: Uint8Array,
  type = 'application/octet-stream',
): Promise<number> {
  const response = await fetch(`${server.url}/api/v1/projects/octo/demo/runs/1/artifacts/${name}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${await server.token()}`, 'content-type': type },
    body: body as Uint8Array<ArrayBuffer>,
  })
  expect(response.status).toBe(201)
  return ((await response.json()) as { id: number }).id
}

async function putFiles(server: TroveProcess, name: string): Promise<number> {
  const entries = Object.entries(files).map(([path, content]) => ({ name: path, content }))
  return await put(server, name, await tarOf(entries), 'application/x-tar')
}

async function admin(server: TroveProcess, args: string[]): Promise<Outcome> {
  const token = await server.token(['--scope', 'admin'])
  return await runTrove(args, { TROVE_URL: server.url, TROVE_TOKEN: token })
}

/** Works on the data directory, with only TROVE_URL in the environment. */
async function local(args: string[], url = 'http://127.0.0.1:9'): Promise<Outcome> {
  return await runTrove([...args, '--data', data], { TROVE_URL: url, TROVE_MIN_FREE: '0' })
}

async function archiveOf({ url, token }: TroveProcess, id: number): Promise<Buffer> {
  const headers = {
    authorization: `Bearer ${await token(['--project', 'octo/demo', '--scope', 'read'])}`,
  }
  const response = await fetch(`${url}/api/v1/artifacts/${id}/archive.zip`, { headers })
  expect(response.status).toBe(200)
  return Buffer.from(await response.arrayBuffer())
}

async function storedBytes(): Promise<number> {
  let sum = 0
  for (const path of await packPaths(join(data, 'cas'))) sum += (await readFile(path)).length
  return sum
}

describe('trove gc on a data directory without a server', () => {
  test('--dry-run shows what --now then frees', async () => {
    const server = await serve()
    await put(server, 'gone', randomBytes(50_000))
    await put(server, 'kept', randomBytes(50_000))
    await admin(server, ['rm', '1/gone', '--project', 'octo/demo'])
    await server.stop()
    const before = await storedBytes()

    const waits = JSON.parse((await local(['gc', '--json'])).text) as Record<string, unknown>
    expect(waits).toMatchObject({ deletedArtifacts: 0, freedBytes: 0 })
    const dry = await local(['gc', '--dry-run', '--now', '--json'])
    expect([dry.status, dry.stderr]).toEqual([0, ''])
    expect(await storedBytes()).toBe(before)
    const plan = JSON.parse(dry.text) as { freedBytes: number; deletedArtifacts: number }
    expect(plan.deletedArtifacts).toBe(1)
    const done = JSON.parse((await local(['gc', '--now', '--json'])).text) as typeof plan
    expect(done).toMatchObject({ deletedArtifacts: 1, freedBytes: before - (await storedBytes()) })
    expect(Math.abs(plan.freedBytes - done.freedBytes)).toBeLessThan(done.freedBytes / 100)
    expect((await local(['gc', '--now'])).text).toBe(
      'expired 0 artifacts\nremoved 0 deleted artifacts\nfreed 0 B\n',
    )
  })

  test('--dry-run leaves packs that are already dead, which --now then counts as freed', async () => {
    const server = await serve({ TROVE_UNDO: '0s' })
    await put(server, 'gone', randomBytes(50_000))
    await admin(server, ['rm', '1/gone', '--project', 'octo/demo'])
    await admin(server, ['gc'])
    await server.stop()
    const before = await storedBytes()
    expect(before).toBeGreaterThan(50_000)

    const freed = { freedBytes: before }
    expect(JSON.parse((await local(['gc', '-n', '--now', '--json'])).text)).toMatchObject(freed)
    expect(await storedBytes()).toBe(before)
    expect(JSON.parse((await local(['gc', '--now', '--json'])).text)).toMatchObject(freed)
    expect(await storedBytes()).toBe(0)
  })

  test('does not drop revocations or uploads because of a clock ahead of where the server left it', async () => {
    const server = await serve()
    await put(server, 'of a run', randomBytes(10))
    await server.stop()
    const database = new SqliteDatabase(join(data, 'trove.db'))
    onTestFinished(() => void database.close())
    database.exec(`UPDATE store SET believed_at = 1000;
      INSERT INTO revoked_tokens (id, is_session, issued_at, ends_at)
      VALUES ('ended', 0, 0, 999), ('lasting', 0, 0, 1001);
      INSERT INTO uploads (id, project_id, run_id, job, name, state, created_at)
      SELECT '${'ab'.repeat(16)}', project_id, id, '', 'unfinished', 0, 1000 FROM runs`)
    expect((await local(['gc', '--now'])).status).toBe(0)
    const left = database.prepare('SELECT id FROM revoked_tokens').all()
    expect(left).toEqual([{ id: 'lasting' }])
    expect(database.prepare('SELECT name FROM uploads').all()).toEqual([{ name: 'unfinished' }])
  })
})

describe('trove scrub', () => {
  test('ends with 8 and names what is damaged, with 0 when all is intact or healed', async () => {
    const server = await serve()
    const id = await putFiles(server, 'build')
    const well = await admin(server, ['scrub'])
    expect([well.status, well.stderr]).toEqual([0, ''])
    expect(well.text).toMatch(/^read 1 pack, 2 copies, .*\nno damaged copies\n$/)

    await spoil(join(data, 'cas'), encodeJoiningSync(Buffer.from(files['b.txt']), 6))
    const bad = await admin(server, ['scrub'])
    expect(bad.status).toBe(8)
    expect(bad.text).toContain('damaged copies: 1, 1 of them new')
    expect(bad.text).toContain(`  id:${id}  octo/demo@1/build\n    b.txt\n`)
    const known = await admin(server, ['scrub', '--json'])
    expect(known.status).toBe(8)
    expect(JSON.parse(known.text)).toMatchObject({
      damagedCopies: 1,
      foundCopies: 0,
      damaged: [{ id, damagedFiles: ['b.txt'] }],
    })
    await server.stop()
    const offline = await local(['scrub'])
    expect([offline.status, offline.text]).toEqual([8, expect.stringContaining('    b.txt\n')])

    const again = await serve()
    await putFiles(again, 'build-again')
    expect((await admin(again, ['scrub'])).status).toBe(0)
  })
})

describe('trove backup', () => {
  test.each([
    [
      'through the server',
      async (server: TroveProcess, args: string[]) => await admin(server, args),
    ],
    [
      'on the directory of a running server',
      async ({ url }: TroveProcess, args: string[]) => await local(args, url),
    ],
    [
      'on a directory without a server',
      async (server: TroveProcess, args: string[]) => {
        await server.stop()
        return await local(args)
      },
    ],
  ])('%s creates a data directory that serves the same bytes', async (_how, backUp) => {
    const server = await serve()
    const id = await putFiles(server, 'build')
    const zip = await archiveOf(server, id)
    const destination = join(root, 'backup')
    const done = await backUp(server, ['backup', destination, '--json'])
    expect([done.status, done.stderr]).toEqual([0, ''])
    expect(JSON.parse(done.text)).toMatchObject({ path: destination, packs: 1, damagedCopies: 0 })
    const taken = await backUp(server, ['backup', destination])
    expect(taken).toMatchObject({
      status: 2,
      text: '',
      stderr: expect.stringMatching(/^trove: .* already exists; choose a new name\n$/),
    })
    await server.stop()

    data = destination
    expect(await archiveOf(await serve(), id)).toEqual(zip)
  })

  test('of a damaged store copies the rest, and ends with 8', async () => {
    const server = await serve()
    await putFiles(server, 'build')
    await spoil(join(data, 'cas'), encodeJoiningSync(Buffer.from(files['b.txt']), 6))
    const done = await admin(server, ['backup', join(root, 'backup'), '--copies'])
    expect([done.status, done.text]).toEqual([
      8,
      expect.stringContaining('damaged copies in the backup: 1'),
    ])
  })

  test("is restored by the README's commands", async () => {
    const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
    const [, text = ''] =
      /\*\*Restore\.\*\*[^\n]*\n(?:[^\n]+\n)*\n((?: {4}[^\n]*\n)+)/.exec(readme) ?? []
    const commands = text
      .trim()
      .split('\n')
      .map((line) => line.trim())
    expect(commands).toHaveLength(3)
    const [backUp, restore, start] = commands.map((command) =>
      command.replaceAll('/srv/trove', data).replaceAll('/mnt/backup', root),
    ) as [string, string, string]
    const bin = join(root, 'bin')
    await mkdir(bin)
    await symlink(fileURLToPath(builtUrl('cli/main.ts')), join(bin, 'trove'))
    const server = await serve()
    const env = { PATH: `${bin}:${process.env['PATH']}`, HOME: root, TROVE_URL: server.url }
    const sh = async (command: string): Promise<void> => {
      await promisify(execFile)('sh', ['-c', command], { env })
    }
    const id = await putFiles(server, 'build')
    const zip = await archiveOf(server, id)
    const token = await server.token(['--project', 'octo/demo', '--scope', 'read'])
    await sh(backUp)
    await put(server, 'too-late', Buffer.from('x'))
    await server.stop()
    await sh(restore)

    const child = spawn('sh', ['-c', `exec ${start} --port 0`], { env })
    const stderr = buffer(child.stderr)
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
    const url = line.replace('listening on ', '')
    const get = async (path: string): Promise<Response> =>
      await fetch(`${url}/api/v1${path}`, { headers: { authorization: `Bearer ${token}` } })
    // The key is the same, so tokens minted before still work.
    expect(Buffer.from(await (await get(`/artifacts/${id}/archive.zip`)).arrayBuffer())).toEqual(
      zip,
    )
    expect(await (await get('/artifacts')).json()).toMatchObject({ total: 1 })
    child.kill('SIGTERM')
    await once(child, 'close')
    expect([child.exitCode, (await stderr).toString()]).toEqual([
      0,
      expect.not.stringMatching(/error/),
    ])
  })
})

describe('trove recover', () => {
  test('recovers contents after the database is lost, as `trove serve` advises', async () => {
    const server = await serve()
    await putFiles(server, 'build')
    await server.stop()
    for (const path of await packPaths(join(data, 'cas'))) await utimes(path, 1, 1)
    await rename(join(data, 'trove.db'), join(root, 'lost.db'))

    const refused = await runTrove(['serve', '--data', data, '--port', '0'])
    expect(refused).toMatchObject({
      status: 2,
      text: '',
      stderr: expect.stringContaining('trove recover --from-packs'),
    })
    expect((await local(['recover'])).status).toBe(2)
    const done = await local(['recover', '--from-packs'])
    expect([done.status, done.stderr]).toEqual([0, ''])
    expect(done.text).toMatch(/^imported 1 pack, .*: 2 copies of 2 contents\nsee artifacts pack-/)

    const again = await serve()
    const token = await again.token(['--project', 'recovered/packs', '--scope', 'read'])
    const access = { TROVE_URL: again.url, TROVE_TOKEN: token }
    const listed = JSON.parse((await runTrove(['list', '--json'], access)).text) as {
      name: string
    }[]
    const { text } = await runTrove(['ls', '-R', `1/${listed[0]!.name}`], access)
    const contents: string[] = []
    for (const path of text.trim().split('\n'))
      contents.push((await runTrove(['cat', `1/${listed[0]!.name}:${path}`], access)).text)
    expect(contents.toSorted()).toEqual(Object.values(files))
  })
})

describe('a data directory that another process holds', () => {
  test('is not touched by commands that need it exclusively, with a hint', async () => {
    const { url } = await serve()
    for (const args of [
      ['recover', '--from-packs', '--data', data],
      ['serve', '--port', '0', '--data', data],
    ]) {
      expect(await runTrove(args)).toMatchObject({
        status: 13,
        text: '',
        stderr: expect.stringMatching(
          `^trove: another trove process works on ${data} \\(a server at ${url}\\)\nhint: Stop the server`,
        ),
      })
    }
  })

  test.each([
    ['gc', ['gc']],
    ['scrub', ['scrub']],
    ['backup', ['backup', '/nowhere/at/all']],
  ])('by a command or an unresponsive server is reported by %s', async (_name, args) => {
    const expectRefusal = async (more: string[], place: string): Promise<void> => {
      const outcome = await local([...args, ...more])
      expect(outcome).toMatchObject({ status: 13, text: '' })
      expect(outcome.stderr).toContain(
        `another trove process works on ${data}${place}, and no server responds`,
      )
      expect(outcome.stderr).toContain('hint: ')
    }
    const lock = lockDataDir(data, 'recover')
    await expectRefusal([], ` (trove recover, process ${process.pid})`)
    lock.release()
    const { url } = await serve()
    await expectRefusal(['--url', 'http://127.0.0.1:9'], ` (a server at ${url})`)
  })

  // Goal: a backup does not count as made when it disappears with the server.
  // Method: the server that holds the directory has written it to a /tmp of its own.
  test('by a server with a private /tmp: a backup there is rejected', async () => {
    const path = join(root, 'copy')
    const figures = { packs: 1, packBytes: 1, linkedPacks: 0, copiedPacks: 1, reusedPacks: 0 }
    const progress = { path, ...figures, damagedCopies: 0, missingPacks: 0 }
    const server = createServer((_request, response) => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ id: 'x', state: 'done', progress }))
    })
    const url = await listen(server)
    await openKeys(data)
    const lock = lockDataDir(data, 'serve')
    onTestFinished(() => lock.release())
    lock.announce(url)
    expect(await local(['backup', path])).toMatchObject({
      status: 2,
      text: '',
      stderr: expect.stringContaining(`trove: ${path} exists only for the server`),
    })
    await mkdir(path)
    expect(await local(['backup', path])).toMatchObject({ status: 0, stderr: '' })
  })

  test('is maintained through the server that holds it, wherever the environment points', async () => {
    const server = await serve()
    await putFiles(server, 'build')
    for (const args of [['gc'], ['scrub'], ['backup', join(root, 'copy')]]) {
      const outcome = await runTrove([...args, '--data', data], {
        TROVE_URL: 'http://store.invalid',
        HTTP_PROXY: 'http://127.0.0.1:9',
        TROVE_TOKEN: 'for.another.server',
      })
      expect(outcome).toMatchObject({ status: 0, stderr: '' })
    }
  })
})

test('maintenance that the server rejects ends with the status of its code', async () => {
  const server = await serve()
  const token = await server.token()
  for (const args of [['gc'], ['scrub'], ['backup', join(root, 'x')]]) {
    expect(await runTrove(args, { TROVE_URL: server.url, TROVE_TOKEN: token })).toMatchObject({
      status: 6,
      text: '',
    })
  }
  await writeFile(join(root, 'mine'), '')
  const outcome = await admin(server, ['backup', join(root, 'mine')])
  expect(outcome).toMatchObject({
    status: 2,
    text: '',
    stderr: `trove: ${join(root, 'mine')} already exists; choose a new name\n`,
  })
})
