/** Pages for what cannot be shown: not there, over, not allowed, broken. */
import type { StoreError } from '../core/errors.ts'
import type { Html } from './html.ts'

export interface Problem {
  status: number
  title: string
  detail: string
  /** What to do about it. */
  advice: string
}

export function ProblemPage({ problem, requestId }: { problem: Problem; requestId: string }): Html {
  return (
    <>
      <h1>{problem.title}</h1>
      <p>{problem.detail}</p>
      <p class="quiet">{problem.advice}</p>
      <p class="quiet">
        Request <code>{requestId}</code>
      </p>
    </>
  )
}

/** How a failure is told to people. `status` is the one of the API. */
export function describeProblem(failure: StoreError | undefined, status: number): Problem {
  const detail = failure?.message ?? 'The server met an error that it did not expect.'
  switch (status) {
    case 403:
      return {
        status,
        title: 'Not allowed',
        detail,
        advice: 'Sign in with a token whose scope allows this.',
      }
    case 404:
      return {
        status,
        title: 'Not found',
        detail,
        advice: 'It does not exist, or it belongs to a project that your token does not read.',
      }
    case 410:
      return {
        status,
        title:
          failure?.code === 'artifact_expired'
            ? 'This artifact has expired'
            : 'This artifact was deleted',
        detail,
        advice: 'Its files are gone. The run may have newer artifacts of the same name.',
      }
    case 400:
    case 422:
      return { status, title: 'That cannot be understood', detail, advice: 'Check the address.' }
    case 503:
      return { status, title: 'Busy', detail, advice: 'Try again in a moment.' }
    default:
      return {
        status,
        title: 'Something went wrong',
        detail,
        advice: 'Try again; if it stays, tell the operator the request number below.',
      }
  }
}
