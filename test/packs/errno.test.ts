import { expect, test } from 'vitest'
import { asStoreError, ignoringAbsence } from '../../src/packs/local/errno.ts'

test.each([
  ['ENOSPC', 'storage_full', 'no space left on the disk for pack a'],
  ['EDQUOT', 'storage_full', 'no space left on the disk for pack a'],
  ['EMFILE', 'busy', 'too many open files for pack a'],
  ['ENFILE', 'busy', 'too many open files for pack a'],
  ['EROFS', 'storage_failed', 'pack a is inaccessible: failed (EROFS)'],
  ['EACCES', 'storage_failed', 'pack a is inaccessible: failed (EACCES)'],
  ['EIO', 'storage_failed', 'pack a is inaccessible: failed (EIO)'],
  ['ENOENT', 'not_found', 'pack a does not exist'],
])('%s is translated to %s', (errno, code, message) => {
  const cause = Object.assign(new Error(`${errno}: failed, open '/a'`), { code: errno })
  const translated = asStoreError('pack a', cause)
  expect(translated).toMatchObject({ code, cause })
  expect((translated as Error).message).toContain(message)
})

test('other failures are returned unchanged', () => {
  const error = Object.assign(new Error('failed'), { code: 'EINVAL' })
  expect(asStoreError('pack a', error)).toBe(error)
})

test('only absence is ignored', async () => {
  const failing = (code: string) => () => Promise.reject(Object.assign(new Error(code), { code }))
  expect(await ignoringAbsence(failing('ENOENT'))).toBe(undefined)
  await expect(ignoringAbsence(failing('EIO'))).rejects.toThrow('EIO')
})
