/** Text that is too long for its place on a page. */
import { expect, test } from 'vitest'
import { cutText, shortened } from '../../src/web/parts/format.tsx'

test('is cut between characters', () => {
  expect(cutText('ab📦', 4)).toBe('ab📦')
  expect(cutText('ab📦', 3)).toBe('ab…')
  expect(cutText('ab📦📦', 4)).toBe('ab📦…')
  expect(shortened(`${'a'.repeat(199)}📦`)).toBe(`${'a'.repeat(199)}…`)
})
