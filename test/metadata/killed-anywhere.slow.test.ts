import { expect, test } from 'vitest'
import { checkSurvival, workAndDie } from './crash-survival.ts'
import { turns } from '../turns.ts'
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

test.each([20, 100])('a process killed while it creates the database, at %i', async (killAt) => {
  const path = newPath()
  await checkSurvival(path, workAndDie(path, killAt))
})
