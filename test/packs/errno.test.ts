import { expect, test } from 'vitest'
import { asStoreError } from '../../src/packs/errno.ts'

test.each([
  ['ENOSPC', 'storage_full', 'no space left on the disk for pack a'],
  ['EDQUOT', 'storage_full', 'no space left on the disk for pack a'],
  ['EMFILE', 'busy', 'too many open files for pack a'],
  ['ENFILE', 'busy', 'too many open files for pack a'],
  ['ENOENT', 'not_found', 'pack a does not exist'],
])('%s is told as %s', (errno, code, message) => {
  const cause = Object.assign(new Error('failed'), { code: errno })
  const told = asStoreError('pack a', cause)
  expect(told).toMatchObject({ code, cause })
  expect((told as Error).message).toContain(message)
})

test('other failures stay what they are', () => {
  const error = Object.assign(new Error('failed'), { code: 'EIO' })
  expect(asStoreError('pack a', error)).toBe(error)
})
