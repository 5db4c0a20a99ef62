import { expect, test } from 'vitest'
import { createPlayground, oneJob } from './playground.ts'

test('a job runs its steps in order in one workspace and passes outputs on', async () => {
  const place = await createPlayground()
  const run = await place.run(`
on: push
env:
  LEVEL: workflow
jobs:
  first:
    runs-on: ubuntu-latest
    outputs:
      word: \${{ steps.say.outputs.word }}
    steps:
      - run: echo hello > note
      - id: say
        run: echo "word=$(cat note) $LEVEL" >> "$GITHUB_OUTPUT"
  second:
    needs: first
    runs-on: ubuntu-latest
    env:
      LEVEL: job
    steps:
      - name: Say \${{ needs.first.outputs.word }}
        run: |
          test ! -e note
          echo "got \${{ needs.first.outputs.word }} and $LEVEL"
`)
  expect(run.conclusions).toEqual({ first: 'success', second: 'success' })
  expect(run.outputs('first')).toEqual({ word: 'hello workflow' })
  expect(run.log('second')).toContain('got hello workflow and job')
  expect(run.steps('second')).toEqual({ 'Say hello workflow': 'success' })
})

test('x', async () => {
  const place = await createPlayground()
  await place.write('dist/a.txt', 'a')
  const run = await place.run(oneJob(`
- uses: actions/checkout@v4
- run: ls
- uses: actions/upload-artifact@v4
  with: {name: d, path: dist}
- uses: actions/download-artifact@v4
  with: {name: d, path: out}
- run: cat out/a.txt
`))
  console.log(run.log('job'))
  expect(run.conclusions).toEqual({ job: 'success' })
})
