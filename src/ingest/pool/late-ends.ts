/** Ends sessions that could not be ended with their upload, because the disk was full or failed:
 *  their leases would keep what the upload has stored for a day, of all things on a full disk. */

const pauseMs = 30_000

export interface LateEnds {
  /** Errors: those of ending the session, which is then attempted again and again. */
  end(session: string): Promise<void>
  /** Stops attempting: a start of the server ends all sessions of uploads. */
  close(): void
}

export function createLateEnds(endSession: (session: string) => Promise<void>): LateEnds {
  const unended = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let isClosed = false
  const attemptLater = (): void => {
    if (unended.size > 0 && !isClosed) timer ??= setTimeout(() => void attempt(), pauseMs).unref()
  }
  const attempt = async (): Promise<void> => {
    try {
      for (const session of unended) {
        await endSession(session)
        unended.delete(session)
      }
    } catch {
      // The others would most likely fail for the same reason.
    }
    timer = undefined
    attemptLater()
  }
  return {
    end: async (session) => {
      try {
        await endSession(session)
      } catch (error) {
        unended.add(session)
        attemptLater()
        throw error
      }
    },
    close: () => {
      isClosed = true
      clearTimeout(timer)
    },
  }
}
