/** Sentences about an artifact's lifetime and size. */
import { expect, test } from 'vitest'
import { freedPredicate, keepingReason } from '../../src/core/policy/explanation.ts'

const hour = 60 * 60 * 1000
const day = 24 * hour

test.each([
  [1000, 1000, 0, 'frees 1000 B.'],
  [1000, 400, 0, 'frees 400 B of 1000 B; 600 B is saved by compression and deduplication.'],
  [1000, 0, 1000, 'frees 0 B of 1000 B; 1000 B is shared and stays.'],
  [
    1000,
    300,
    500,
    'frees 300 B of 1000 B; 500 B is shared and stays, 200 B is saved by compression and deduplication.',
  ],
  [10, 130, 0, 'frees 130 B.'],
  [10, 130, 120, 'frees 130 B; 120 B is shared and stays.'],
  [12, 0, 22, 'frees 0 B; 22 B is shared and stays.'],
])(
  'deleting %d B that frees %d B and shares %d B',
  (logicalBytes, freedBytes, sharedBytes, said) => {
    expect(freedPredicate(logicalBytes, { freedBytes, sharedBytes })).toBe(said)
  },
)

test.each([
  [90 * day, 90 * day, '90 days from its upload, the default'],
  [36 * hour, 90 * day, '36 hours from its upload; the default is 90 days'],
  [hour, null, '1 hour from its upload'],
])('a lifetime of %d ms where the default is %o', (timeMs, defaultMs, said) => {
  const artifact = { createdAt: 1000, expiresAt: 1000 + timeMs, pinned: false, keptLatest: false }
  expect(keepingReason(artifact, defaultMs)).toBe(said)
})

test('a kept artifact has no lifetime', () => {
  const artifact = { createdAt: 0, expiresAt: day, pinned: true, keptLatest: true }
  expect(keepingReason(artifact, day)).toBe('kept until someone stops keeping it')
  expect(keepingReason({ ...artifact, pinned: false }, day)).toBe(
    'kept until its branch has a newer one',
  )
})
