import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { buffer } from 'node:stream/consumers'
import SqliteDatabase from 'better-sqlite3'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { makeDirectory } from '../client/tree.ts'
import { runTrove, startTrove } from './run-trove.ts'

let dataDir: string
beforeEach(async () => {
  dataDir = await makeDirectory()
})

/** Returns the lines of stdout, which grow. */
function readLines(child: ChildProcessWithoutNullStreams): string[] {
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  return lines
}

/** The first line of stdout; '' when the process ends without any. */
async function firstLine(child: ChildProcessWithoutNullStreams): Promise<string> {
  return await new Promise((resolve) => {
    createInterface({ input: child.stdout }).once('line', resolve)
    child.once('close', () => {
      resolve('')
    })
  })
}

/** Starts a server with a module that Node loads first, and sends SIGUSR2 once it is ready. */
async function endBySignal(preload: string): Promise<{ status: number | null; stderr: string }> {
  const file = join(dataDir, 'preload.mjs')
  await writeFile(file, preload)
  const child = startTrove(['serve', '--data', join(dataDir, 'data'), '--port', '0'], {
    NODE_OPTIONS: `--import ${file}`,
  })
  const stderr = buffer(child.stderr)
  await firstLine(child)
  child.kill('SIGUSR2')
  await once(child, 'close')
  return { status: child.exitCode, stderr: (await stderr).toString() }
}

describe('trove serve', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    'prints one line when it is ready, and stops with 0 on %s',
    async (signal) => {
      const child = startTrove(['serve', '--data', dataDir, '--port', '0'])
      const lines = readLines(child)
      const stderr = buffer(child.stderr)
      const line = await firstLine(child)
      const url = /^listening on (http:\/\/127\.0\.0\.1:\d+)$/.exec(line)?.[1] ?? ''
      expect((await fetch(`${url}/healthz`)).status).toBe(200)
      child.kill(signal)
      await once(child, 'close')
      expect({ status: child.exitCode, lines: lines.length }).toEqual({ status: 0, lines: 1 })
      expect((await stderr).toString()).toContain(`sign in: ${url}/sign-in?token=`)
    },
  )

  // Method: sessions that the start has to end, each in a transaction of its own, take it many
  // seconds. It is stopped when it has ended some.
  test('stops at once while it recovers; the next start continues', async () => {
    const first = startTrove(['serve', '--data', dataDir, '--port', '0'])
    await firstLine(first)
    first.kill('SIGTERM')
    await once(first, 'close')
    const path = join(dataDir, 'trove.db')
    const database = new SqliteDatabase(path)
    onTestFinished(() => {
      database.close()
    })
    database.exec(
      `INSERT INTO projects (id, owner_repo, created_at) VALUES (1, 'octo/demo', 0);
       INSERT INTO sessions (name, project_id, state, created_at, leased_until)
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000) SELECT i, 1, 0, 0, 0 FROM n`,
    )
    const open = database.prepare('SELECT count(*) FROM sessions WHERE state = 0').pluck()
    const child = startTrove(['serve', '--data', dataDir, '--port', '0'])
    const log = buffer(child.stderr)
    await expect.poll(() => open.get(), { timeout: 20_000 }).toBeLessThan(100_000)
    child.kill('SIGTERM')
    await once(child, 'close')
    const left = Number(open.get())
    expect(left).toBeGreaterThan(50_000)
    expect(child.exitCode).toBe(0)
    expect((await log).toString()).toContain('stopped before the start was complete')
    const last = startTrove(['serve', '--data', dataDir, '--port', '0'])
    await expect.poll(() => open.get(), { timeout: 20_000 }).toBeLessThan(left)
    last.kill('SIGTERM')
    await once(last, 'close')
  })

  test('keeps running when the reader of its log goes away', async () => {
    const child = startTrove(['serve', '--data', dataDir, '--port', '0'])
    const lines = readLines(child)
    child.stderr.destroy()
    await expect.poll(() => lines.length, { timeout: 20_000 }).toBe(1)
    const url = lines[0]!.replace('listening on ', '')
    for (let tries = 0; tries < 3; tries++)
      expect((await fetch(`${url}/api/v1/artifacts`)).status).toBe(401)
    child.kill('SIGTERM')
    await once(child, 'close')
    expect(child.exitCode).toBe(0)
  })

  // Method: a module that Node loads first ends all threads of the server on a signal. The death of
  // the metadata thread is thrown where nothing can catch it.
  test('that cannot go on ends with 1, and says why and where in the source', async () => {
    const { status, stderr } = await endBySignal(
      `import { Worker } from 'node:worker_threads'
       const threads = new Set()
       const { postMessage } = Worker.prototype
       Worker.prototype.postMessage = function (...args) {
         threads.add(this)
         return postMessage.apply(this, args)
       }
       process.once('SIGUSR2', () => { for (const thread of threads) void thread.terminate() })`,
    )
    const lines = stderr.split('\n')
    const message = lines.slice(
      lines.findIndex((line) => line.startsWith('trove: ')),
      -1,
    )
    expect(message[0]).toMatch(/^trove: Error: the metadata( reader)? thread died$/)
    expect(message[1]).toMatch(
      /^trove: {5}at .*\/src\/metadata\/sqlite\/thread\/sqlite-worker\.ts:\d+:\d+/,
    )
    expect(message.join('\n')).toMatch(
      /caused by Error: the metadata( reader)? thread ended with code 1/,
    )
    expect(message.every((line) => line.startsWith('trove: '))).toBe(true)
    expect(status).toBe(1)
  })

  // Goal: errors that are expected elsewhere, and end a command there without a stack, without a
  // word or with a status for which systemd does not restart it, are bugs where none awaits them.
  test.each([
    ['AbortError', '{}'],
    ['DataLockedError', '{}'],
    ['Error', `{ code: 'ECONNRESET', syscall: 'read' }`],
  ])('ends with 1 and says where an uncaught %s with %s was thrown', async (name, fields) => {
    const { status, stderr } = await endBySignal(
      `process.once('SIGUSR2', function thrower() {
         throw Object.assign(new Error('unforeseen'), { name: '${name}' }, ${fields})
       })`,
    )
    expect(stderr).toMatch(new RegExp(`^trove: ${name}: unforeseen\\ntrove: {5}at .*thrower`, 'm'))
    expect(status).toBe(1)
  })

  test('rejects a directory that another server uses', async () => {
    const first = startTrove(['serve', '--data', dataDir, '--port', '0'])
    await firstLine(first)
    const second = await runTrove(['serve', '--data', dataDir, '--port', '0'])
    expect(second).toMatchObject({
      status: 13,
      text: '',
      stderr: expect.stringMatching(
        /^trove: another trove process works on .* \(a server at http:.*\)\nhint: Stop /,
      ),
    })
    first.kill('SIGTERM')
    await once(first, 'close')
  })

  test('reports all bad settings at once', async () => {
    const outcome = await runTrove(['serve', '--data', dataDir, '--port', 'x'], {
      TROVE_WORKERS: '0',
    })
    expect(outcome).toMatchObject({ status: 2, text: '' })
    expect(outcome.stderr).toMatch(/--port must be/)
    expect(outcome.stderr).toMatch(/TROVE_WORKERS must be/)
  })

  test('that cannot listen hints at the settings', async () => {
    const first = startTrove(['serve', '--data', dataDir, '--port', '0'])
    const port = (await firstLine(first)).split(':').at(-1)!
    const other = join(dataDir, 'other')
    const taken = await runTrove(['serve', '--data', other, '--port', port])
    const unknown = await runTrove(['serve', '--data', other, '--host', 'no.such.invalid'])
    for (const { status, stderr } of [taken, unknown]) {
      expect(status).toBe(1)
      expect(stderr).toMatch(
        /^trove: .*\nhint: Set where to listen with --host and --port \(TROVE_HOST, TROVE_PORT\)/,
      )
    }
    first.kill('SIGTERM')
    await once(first, 'close')
  })

  test('logs variables that look like settings but are not, and its end', async () => {
    const child = startTrove(['serve', '--data', dataDir, '--port', '0'], {
      TROVE_RETENTON_DAYS: '9',
    })
    const stderr = buffer(child.stderr)
    await firstLine(child)
    child.kill('SIGTERM')
    await once(child, 'close')
    const text = (await stderr).toString()
    expect(text).toContain(
      '"level":"warn","message":"TROVE_RETENTON_DAYS is not a setting of the server; did you mean TROVE_RETENTION_DAYS?"',
    )
    expect(text).toContain('"message":"stopping"')
    expect(text).toContain('"message":"stopped"')
  })

  test('reports an invalid or unwritable database in two lines', async () => {
    const path = join(dataDir, 'trove.db')
    await writeFile(path, 'this is no database, however long one looks at it\n'.repeat(100))
    const refused = await runTrove(['serve', '--data', dataDir, '--port', '0'])
    expect(refused).toMatchObject({ status: 1, text: '' })
    expect(refused.stderr).toBe(
      `trove: ${path} cannot be opened: file is not a database (SQLITE_NOTADB)\n` +
        'hint: Restore a backup, or move the file away with its -wal and -shm files and run `trove recover --from-packs`.\n',
    )
    await rm(path)
    await mkdir(path)
    const { stderr } = await runTrove(['serve', '--data', dataDir, '--port', '0'])
    expect(stderr).toBe(
      `trove: ${path} cannot be opened: unable to open database file (SQLITE_CANTOPEN)\n` +
        `hint: Check that this user (id ${process.getuid!()}) may write to that directory and the files in it, also in the systemd unit (ReadWritePaths), that its file system supports locks, and that its disk has free inodes (df -i).\n`,
    )
  })

  test('reports a lock that cannot be taken and a data directory that is a file, with what to do', async () => {
    const path = join(dataDir, 'server.lock')
    await writeFile(path, 'this is no database\n'.repeat(100))
    const locked = await runTrove(['serve', '--data', dataDir, '--port', '0'])
    expect(locked).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^trove: .*server\.lock cannot be opened: .*\nhint: .*\n$/),
    })
    expect(await runTrove(['serve', '--data', path, '--port', '0'])).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^trove: EEXIST: .*\nhint: Remove or rename that file/),
    })
  })

  test('reports an invalid key', async () => {
    const path = join(dataDir, 'secret.key')
    await writeFile(path, 'short')
    expect(await runTrove(['serve', '--data', dataDir, '--port', '0'])).toMatchObject({
      status: 2,
      stderr: `trove: ${path} must hold 32 bytes, but holds 5\n`,
    })
  })

  test('does not touch a database written by a newer version, and says what to do', async () => {
    const child = startTrove(['serve', '--data', dataDir, '--port', '0'])
    await firstLine(child)
    child.kill()
    await once(child, 'exit')
    const path = join(dataDir, 'trove.db')
    const database = new SqliteDatabase(path)
    const later = Date.UTC(2099, 0, 1)
    database
      .prepare('INSERT INTO __drizzle_migrations (hash, created_at) VALUES (?, ?)')
      .run('later', later)
    database.close()
    const refused = await runTrove(['serve', '--data', dataDir, '--port', '0'])
    expect(refused.status).toBe(1)
    expect(refused.text).toBe('')
    expect(refused.stderr).toBe(
      `trove: ${path} was written by a newer version of Trove and was left unchanged\n` +
        'hint: Start that version again, or restore the backup from before the upgrade.\n',
    )
  })
})
