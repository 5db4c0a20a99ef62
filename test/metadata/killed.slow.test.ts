import { expect, test } from 'vitest'
import { turns } from '../turns.ts'
import { checkSurvival, workAndDie } from './crash-survival.ts'
import { temporaryDatabases } from './temporary-database.ts'

const { newDatabase, newPath } = temporaryDatabases()

// Goal: kill -9 at any moment loses nothing acknowledged and leaves nothing that recovery does not
// find. Method: the process kills itself as its n-th statement begins; for some n here, for every n
// in crash.slow.test.ts.
test('a process killed at any statement leaves a store that recovers', async () => {
  const whole = await newDatabase()
  const finished = workAndDie(whole, Infinity)
  await checkSurvival(whole, finished)
  const last = finished.statements!
  expect(last).toBeGreaterThan(300)
  for (let killAt = 25; killAt < last; killAt += Math.ceil(last / turns(10))) {
    const path = await newDatabase()
    await checkSurvival(path, workAndDie(path, killAt))
  }
})

test('a process killed around a write to the audit log leaves no act without its entry, and no entry without its act', async () => {
  const { acts } = workAndDie(await newDatabase(), Infinity)
  expect(acts).toHaveLength(2)
  for (const killAt of acts.flatMap((at) => [at, at + 1, at + 2])) {
    const path = await newDatabase()
    await checkSurvival(path, workAndDie(path, killAt))
  }
})

// The child's last step is to set the branch of a run that has artifacts.
test('a process killed while a branch is set late leaves every artifact where its run says', async () => {
  const last = workAndDie(await newDatabase(), Infinity, 'late').statements!
  expect(last).toBeGreaterThan(8)
  for (let killAt = 1; killAt < last; killAt += 2) {
    const path = await newDatabase()
    await checkSurvival(path, workAndDie(path, killAt, 'late'))
  }
})

test.each([1, 5, 20, 60, 100])(
  'a process killed while it creates the database, at %i',
  async (killAt) => {
    const path = newPath()
    await checkSurvival(path, workAndDie(path, killAt))
  },
)
