/** Which clients can handle a raw file. */
import { expect, test } from 'vitest'
import { clientKindOf } from '../../src/actions/user-agent.ts'

test.each([
  ['@actions/artifact-2.0.0', 'stock-zip-only'],
  ['@actions/artifact-2.3.2', 'stock-zip-only'],
  ['@actions/artifact-4.0.0', 'stock-zip-only'],
  ['@actions/artifact-5.0.3', 'stock-zip-only'],
  ['@actions/artifact-6.0.0', 'stock-zip-only'],
  ['@actions/artifact-6.1.0', 'stock'],
  ['@actions/artifact-6.2.1', 'stock'],
  ['@actions/artifact-6.10.0', 'stock'],
  ['@actions/artifact-10.0.0', 'stock'],
  ['@actions/artifact-2.1.11 octokit-core.js/5.0.0 Node.js/20', 'stock-zip-only'],
  ['octokit-core.js/6.0.0 Node.js/20', 'rest'],
  ['octokit-rest.js/22.0.0 octokit-core.js/7.0.6 Node.js/24', 'rest'],
  ['GitHub CLI 2.46.0', 'rest'],
  ['curl/8.0', 'other'],
  [undefined, 'other'],
])('%s is %s', (agent, kind) => {
  expect(clientKindOf(agent)).toBe(kind)
})
