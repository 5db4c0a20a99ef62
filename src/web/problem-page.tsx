/** Pages for what cannot be shown: not there, over, not allowed, broken. */
import type { StoreError } from '../core/errors.ts'
import type { Artifact } from '../metadata/metadata.ts'
import { ShortDigest, Size, Time } from './parts/format.tsx'
import type { Html } from './parts/html.ts'
import { actionPath, artifactPath, auditPagePath } from './paths.ts'

export interface Problem {
  title: string
  detail: string
  /** What to do about it. */
  advice: string
  /** Whether the same request can succeed later. */
  mayRetry: boolean
}

export interface GoneView {
  artifact: Artifact
  /** The newest live artifact of that name, on the same branch if it had one. */
  successor: Artifact | undefined
  mayUndo: boolean
  mayWrite: boolean
  now: number
}

export function ProblemPage({
  problem,
  requestId,
  gone,
  signIn,
  isOfQuery,
}: {
  problem: Problem
  requestId: string
  gone?: GoneView | undefined
  /** Where another token can be given, for what this visitor may not see. */
  signIn: string | null
  /** Whether what follows the `?` of the address may be what is wrong. */
  isOfQuery: boolean
}): Html {
  return (
    <>
      <h1>{problem.title}</h1>
      <p>{problem.detail}</p>
      {gone !== undefined && <Gone {...gone} />}
      {gone?.mayUndo !== true && <p class="quiet">{problem.advice}</p>}
      {problem.mayRetry && (
        <p>
          <a class="button" href="">
            Retry
          </a>
        </p>
      )}
      {isOfQuery && (
        <p>
          <a class="button" href="?">
            Open the page without what follows “?”
          </a>
        </p>
      )}
      {signIn !== null && (
        <p>
          <a class="button" href={signIn}>
            Sign in with another token
          </a>
        </p>
      )}
      <p class="quiet">
        Request <code>{requestId}</code>
      </p>
    </>
  )
}

/** The same where a part of a page should be. */
export function ProblemSection({
  problem: { title, detail, advice },
  requestId,
}: {
  problem: Problem
  requestId: string
}): Html {
  return (
    <section class="note" role="alert">
      <h2>{title}</h2>
      <p>{detail}</p>
      <p class="quiet">
        {advice} Request <code>{requestId}</code>
      </p>
    </section>
  )
}

function Gone({ artifact, successor, mayUndo, mayWrite, now }: GoneView) {
  return (
    <>
      <p>
        It was of run {artifact.runNumber} and held <Size bytes={artifact.logicalBytes} /> under{' '}
        <ShortDigest digest={artifact.treeDigest} />
      </p>
      <div class="buttons">
        {successor !== undefined && (
          <a class="button first" href={artifactPath(successor)}>
            {/* One box: blanks between the boxes of a button are lost. */}
            <span>
              The newest one: run {successor.runNumber}, <Time at={successor.createdAt} now={now} />
            </span>
          </a>
        )}
        {mayUndo && (
          <form method="post" action={actionPath(artifact, 'undo')}>
            <button>Restore</button>
          </form>
        )}
        {mayWrite && (
          <a
            class="button"
            href={auditPagePath(artifact.project, { artifact: String(artifact.id) })}
          >
            What was done to it
          </a>
        )}
      </div>
    </>
  )
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`
}

/** How a failure is told to people. `status` is the one of the API. */
export function describeProblem(failure: StoreError | undefined, status: number): Problem {
  const detail = sentence(failure?.message ?? 'The server met an error that it did not expect')
  const problem = (title: string, advice: string, mayRetry = false): Problem => {
    return { title, detail, advice, mayRetry }
  }
  switch (status) {
    case 403:
      return problem('Not allowed', 'Sign in with a token whose scope allows this.')
    case 404:
      return problem(
        'Not found',
        'It does not exist, or it belongs to a project that your token does not read.',
      )
    case 405:
      return problem('Nothing to see here', 'Go back to the page that led here.')
    case 409:
      return problem('That is taken', 'Another artifact holds the name by now.')
    case 410:
      return problem(
        failure?.code === 'artifact_expired'
          ? 'This artifact has expired'
          : 'This artifact was deleted',
        'Its files are gone.',
      )
    case 400:
    case 422:
      return problem(
        'That cannot be understood',
        'Check the address, or go back and check what was entered.',
      )
    case 413:
      return problem('That is too much', 'Go back, and do less at once.')
    case 503:
      return problem('Busy', 'Try again in a moment.', true)
    default:
      return failure?.code === 'blob_damaged'
        ? problem(
            'These bytes are damaged',
            'What is stored fails its check. The next upload of the same content heals it; other files are not touched.',
          )
        : problem(
            'Something went wrong',
            'Try again; if it stays, tell the operator the request number below.',
            true,
          )
  }
}
