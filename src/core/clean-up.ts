/** What closes the parts of a whole that were opened one after the other. */

export type Cleanup = () => unknown

/** Runs all cleanups, newest first, even when some fail. Errors: that of the first one to fail. */
export async function cleanUp(cleanups: Cleanup[]): Promise<void> {
  const failures: unknown[] = []
  for (const cleanup of cleanups.reverse().splice(0)) {
    try {
      await cleanup()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}
