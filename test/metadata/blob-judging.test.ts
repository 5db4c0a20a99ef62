import { expect, onTestFinished, test } from 'vitest'
import { createBlobJudging } from '../../src/metadata/sqlite/blobs/blob-judging.ts'
import { openConnection } from '../../src/metadata/sqlite/connection/connection.ts'
import { temporaryDatabases } from './temporary-database.ts'

const { newPath } = temporaryDatabases()

// Method: blobs 1 to 30,000 have a stream each and are the parts of the last blob. One more blob,
// which is no part, is damaged. Time is compared with that of a walk over the parts.
test('a composite of many parts is judged in the time that few damaged streams or few parts take', () => {
  const connection = openConnection({ path: newPath() })
  onTestFinished(() => {
    connection.close()
  })
  const [parts, other, composite] = [30_000, 30_001, 30_002]
  const numbers = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ${other})`
  const run = (sql: string): void => {
    connection.stage(() => connection.prepare(sql).run())
  }
  run(`INSERT INTO projects (id, owner_repo, created_at) VALUES (1, 'octo/demo', 0)`)
  run(`INSERT INTO packs (id, name, size_bytes, state, session_id, copy_count, copy_bytes, live_count, live_bytes, created_at)
       VALUES (1, 'p', 1, 1, 1, 1, 1, 1, 1, 0)`)
  run(`INSERT INTO blobs (id, digest, size_bytes, crc32, state, project_id, copy_stream_id, joining_stream_id, part_count, joined_bytes)
       ${numbers} SELECT i, cast(i AS BLOB), 1, 0, 0, 1, i, i, 0, 0 FROM n
       UNION ALL SELECT ${composite}, x'ff', ${parts}, 0, 0, 1, NULL, NULL, ${parts}, ${parts}`)
  run(`INSERT INTO streams (id, digest, codec, blob_id, pack_id, "offset", length_bytes, checks, state, verified_at)
       ${numbers} SELECT i, cast(i AS BLOB), 0, i, 1, i, 1, x'', i = ${other}, 0 FROM n`)
  run(`INSERT INTO composite_parts (composite_id, ordinal, part_id)
       SELECT ${composite}, id, id FROM blobs WHERE id <= ${parts}`)
  const state = connection.prepare<[number], { state: number }>(
    'SELECT state FROM blobs WHERE id = ?',
  )
  const judge = createBlobJudging(connection)
  const walk = connection.prepare(
    `SELECT count(*) FROM composite_parts c CROSS JOIN blobs q ON q.id = c.part_id
     CROSS JOIN streams s ON s.id = q.joining_stream_id WHERE c.composite_id = ${composite} AND s.state = 1`,
  )
  const timeOf = (work: () => void): number => {
    const times = Array.from({ length: 10 }, () => {
      const startedAt = performance.now()
      work()
      return performance.now() - startedAt
    })
    return Math.min(...times)
  }
  const judging = timeOf(() => connection.stage(() => judge(composite)))
  expect(judging).toBeLessThan(timeOf(() => walk.get()) / 10)
  expect(state.get(composite)).toEqual({ state: 0 })
  const setState = (streamId: number, damaged: 0 | 1): void => {
    run(`UPDATE streams SET state = ${damaged} WHERE id = ${streamId}`)
    connection.stage(() => judge(composite))
  }
  setState(7_777, 1)
  expect(state.get(composite)).toEqual({ state: 1 })
  setState(7_777, 0)
  expect(state.get(composite)).toEqual({ state: 0 })
  const judgingOne = timeOf(() => connection.stage(() => judge(composite)))
  run(`UPDATE streams SET state = 1`)
  setState(other, 1)
  expect(state.get(composite)).toEqual({ state: 1 })
  expect(timeOf(() => connection.stage(() => judge(composite)))).toBeLessThan(judgingOne * 10)
  // A part behind many others, with more damaged streams than parts before it.
  run(`UPDATE streams SET state = (id <= 20000 OR id = ${other})`)
  run(`UPDATE composite_parts SET part_id = ${other} WHERE ordinal <= 20000`)
  setState(other, 0)
  expect(state.get(composite)).toEqual({ state: 0 })
  setState(25_000, 1)
  expect(state.get(composite)).toEqual({ state: 1 })
})
