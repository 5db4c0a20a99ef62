/** What a list of many projects reads. */
import SqliteDatabase from 'better-sqlite3'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { projectListSchema, type WireProjectList } from '../../src/api/admin-messages.ts'
import { openKeys } from '../../src/auth/key.ts'
import { adminGrant, mintToken } from '../../src/auth/tokens.ts'
import { readServerConfig } from '../../src/config/config.ts'
import { limits } from '../../src/core/limits.ts'
import { createLog } from '../../src/log.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { startServer } from '../../src/server.ts'
import { makeEmptyDatabase } from '../metadata/temporary-database.ts'
import { testDirectory } from '../temporary-directory.ts'
import { threadsOfTests } from './open-server.ts'

const projectCount = 1200
const nameOf = (number: number): string => `many/p-${String(number).padStart(4, '0')}`

function addProjects(path: string): void {
  const database = new SqliteDatabase(path)
  const project = database.prepare(
    'INSERT INTO projects (id, owner_repo, created_at, quota_bytes) VALUES (?, ?, 1, 1)',
  )
  const total = database.prepare('INSERT INTO totals (scope, artifacts) VALUES (?, ?)')
  database.transaction(() => {
    for (let id = 1; id <= projectCount; id++) {
      // By name in the reverse order of their ids, and by size in neither.
      project.run(id, nameOf(projectCount - id))
      total.run(id, (id * 7) % projectCount)
    }
  })()
  database.close()
}

/** Returns a function that requests a page, and the rows of each listing since the page before. */
async function openMany(): Promise<(path: string) => Promise<[WireProjectList, number[]]>> {
  const data = testDirectory()
  await makeEmptyDatabase(join(data, 'trove.db'))
  addProjects(join(data, 'trove.db'))
  let read: number[] = []
  const config = readServerConfig({ data, host: '127.0.0.1', port: '0' }, {})
  const server = await startServer(config, {
    ...threadsOfTests,
    log: createLog('error'),
    openMetadata: async (options) => {
      const metadata = openSqliteMetadata(options)
      const listProjects: typeof metadata.listProjects = async (page) => {
        const rows = await metadata.listProjects(page)
        read.push(rows.length)
        return rows
      }
      return { ...metadata, listProjects }
    },
  })
  onTestFinished(() => server.close())
  const { tokens } = await openKeys(data)
  const token = await mintToken(tokens, adminGrant(Date.now(), 3_600_000), 'api')
  return async (path) => {
    read = []
    const response = await fetch(server.url + path, {
      headers: { authorization: `Bearer ${token}` },
    })
    return [projectListSchema.parse(await response.json()), read]
  }
}

async function allPages(query: string): Promise<{ names: string[]; read: number[][] }> {
  const page = await openMany()
  const names: string[] = []
  const read: number[][] = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const [list, rows]: [WireProjectList, number[]] = await page(
      `/api/v1/projects?limit=200${query}${cursor === '' ? '' : `&cursor=${cursor}`}`,
    )
    names.push(...list.items.map(({ name }) => name))
    expect(list.total).toBe(projectCount)
    read.push(rows)
    cursor = list.nextCursor
  }
  return { names, read }
}

// Goal: the pages of a list together do not take a time that grows with the square of its length.
test('a page by name reads what it shows, except for the first, which counts all', async () => {
  const { names, read } = await allPages('')
  expect(names).toEqual(Array.from({ length: projectCount }, (_, number) => nameOf(number)))
  const step = limits.projectsPerStep
  expect(read[0]).toEqual([step, step, projectCount - 2 * step])
  expect(read.slice(1)).toEqual([[step], [step], [step], [400], [200]])
})

// Goal: no other request waits for a list of all projects.
test('a page by size reads all in steps', async () => {
  const { names, read } = await allPages('&sort=artifacts')
  const bySize = Array.from({ length: projectCount }, (_, index) => {
    const id = projectCount - index
    return { name: nameOf(index), artifacts: (id * 7) % projectCount }
  }).toSorted((a, b) => b.artifacts - a.artifacts)
  expect(names).toEqual(bySize.map(({ name }) => name))
  expect(Math.max(...read.flat())).toBe(limits.projectsPerStep)
})
