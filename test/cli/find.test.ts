/** `trove find`: from a local file to the runs that produced it. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { makeDirectory } from '../client/tree.ts'
import { openSharedServer } from '../http/open-server.ts'
import { runTroveInside } from './run-inside.ts'
import { type Outcome, runTrove, startTrove } from './run-trove.ts'

// Large enough to be stored in parts.
const program = Buffer.alloc(300_000, 'a program that several runs made\n')

const server = await openSharedServer()
const folder = await makeDirectory()
const file = join(folder, 'app')
const ids: number[] = []
beforeAll(async () => {
  await writeFile(file, program)
  for (const run of [1, 2, 3]) {
    const tar = [
      { name: 'README', content: String(run) },
      { name: `bin/app-${run}`, content: program },
    ]
    const query = `branch=main&job=compile&sha=${'0123456789'.repeat(4)}`
    ids.unshift(await server.put(`${run}/build?${query}`, { tar }))
  }
})

async function find(args: string[]): Promise<Outcome> {
  return await runTroveInside(['find', ...args], await server.access())
}

test('lists the artifacts that contain the file, newest first, with its path', async () => {
  const found = await find([file])
  expect(found).toMatchObject({ status: 0, stderr: '' })
  const [header, ...rows] = found.text.trimEnd().split('\n')
  expect(header).toMatch(/ID +PROJECT +RUN +NAME +PATH +BRANCH +COMMIT +UPLOADED/)
  expect(rows.map((row) => row.trim().split(/\s+/).slice(0, 7))).toEqual(
    [3, 2, 1].map((run, index) => [
      String(ids[index]),
      'octo/app',
      String(run),
      'build',
      `bin/app-${run}`,
      'main',
      '012345678901',
    ]),
  )
})

test('accepts a digest with or without its prefix, and stdin', async () => {
  const digest = digestOf(program)
  const ofFile = await find([file])
  expect(await find([`sha256:${digest}`])).toEqual(ofFile)
  expect(await find([digest])).toEqual(ofFile)
  execFileSync('mkfifo', [join(folder, '-')])
  const ofStdin = await runTrove(['find', '-'], await server.access(), folder, program)
  expect(ofStdin).toEqual(ofFile)
})

test('an interrupt ends the wait for stdin', async () => {
  const child = startTrove(['find', '-'], await server.access(), folder)
  // More than fits between the processes, so the command is reading once it is written.
  await new Promise((resolve) => {
    child.stdin.write(Buffer.alloc(1024 * 1024), resolve)
  })
  child.kill('SIGINT')
  await once(child, 'close')
  expect(child.exitCode).toBe(130)
})

test('says when there are more than --limit', async () => {
  const { status, text, stderr } = await find([file, '--limit', '2', '--json'])
  expect(status).toBe(0)
  expect(JSON.parse(text)).toMatchObject([
    { id: ids[0], path: 'bin/app-3' },
    { id: ids[1], path: 'bin/app-2' },
  ])
  expect(stderr).toBe('showing the newest 2; use --limit to show more\n')
  expect((await find([file, '--limit', '3'])).stderr).toBe('')
})

test('a file that no artifact contains is not found; a missing file is an error', async () => {
  const other = join(folder, 'other')
  await writeFile(other, 'nobody has this')
  const reason = expect.stringContaining(`contains sha256:${digestOf('nobody has this')}`)
  expect(await find([other])).toMatchObject({ status: 3, text: '', stderr: reason })
  expect(await find([other, '--json'])).toMatchObject({ status: 3, text: '[]\n' })
  const nowhere = join(folder, 'nowhere')
  expect(await find([nowhere])).toMatchObject({
    status: 1,
    stderr: expect.stringContaining(`${nowhere} does not exist`),
  })
  const short = await find(['sha256:abc'])
  expect(short).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('64 lowercase hex digits'),
  })
  expect(await find([folder])).toMatchObject({
    status: 1,
    stderr: expect.stringContaining(`${folder} is a directory`),
  })
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  expect(await find([pipe])).toMatchObject({
    status: 1,
    stderr: expect.stringContaining(`${pipe} is a pipe`),
  })
})
