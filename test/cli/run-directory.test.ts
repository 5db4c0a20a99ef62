/** Directories that killed runs leave behind. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeRunDirectory, removeAbandoned } from '../../src/cli/run/run-directory.ts'
import { makeDirectory } from '../client/tree.ts'

test('the directory of a killed run is removed, but not that of a running one or one to be kept', async () => {
  const temporary = await makeDirectory()
  const make = async (keep: boolean): Promise<string> =>
    await makeRunDirectory(temporary, { runId: 7, keep })
  const running = await make(false)
  const kept = await make(true)
  const owner = await readFile(join(running, '_owner'), 'utf8')
  const [start = '', pid = '', host = ''] = owner.trim().split(' ')
  const gone = spawn('true')
  await once(gone, 'close')
  const makeOf = async (text: string): Promise<string> => {
    const directory = await make(false)
    await writeFile(join(directory, '_owner'), `${text}\n`)
    return directory
  }
  const killed = await makeOf(`1 ${gone.pid} ${host}`)
  await mkdir(join(killed, 'build', 'cache'), { recursive: true })
  await chmod(join(killed, 'build'), 0o500)
  await makeOf(`${Number(start) + 1} ${pid} ${host}`)
  const elsewhere = await makeOf(`1 ${gone.pid} other-${host}`)
  const changeable = await makeOf(`1 ${gone.pid} ${host}`)
  await chmod(changeable, 0o777)
  await removeAbandoned(temporary)
  const left = [running, kept, elsewhere, changeable]
  expect((await readdir(temporary)).map((name) => join(temporary, name)).toSorted()).toEqual(
    left.toSorted(),
  )
})

test('a temporary directory that cannot be listed prevents no run', async () => {
  const temporary = await makeDirectory()
  await expect(removeAbandoned(join(temporary, 'absent'))).resolves.toBeUndefined()
})
