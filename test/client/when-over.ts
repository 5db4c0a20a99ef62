import { afterAll, onTestFinished } from 'vitest'
import { getCurrentTest } from 'vitest/suite'

/** Registers what to do when the test has ended, or all tests of the file when called at its top
 *  level. */
export function whenOver(work: () => Promise<void> | void): void {
  if (getCurrentTest() === undefined) afterAll(work)
  else onTestFinished(work)
}
