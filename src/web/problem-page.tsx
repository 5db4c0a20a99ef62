/** Error pages: not found, expired or deleted, not allowed, failed. */
import { runPagePath } from '../api/paths.ts'
import type { StoreError } from '../core/errors.ts'
import type { Artifact } from '../metadata/metadata.ts'
import { ShortDigest, Size, Time } from './parts/format.tsx'
import type { Html } from './parts/html.ts'
import { actionPath, artifactPath, auditPagePath } from './paths.ts'

export interface Problem {
  title: string
  detail: string
  /** What the visitor can do about it. */
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
  queryMayBeWrong,
}: {
  problem: Problem
  requestId: string
  gone: GoneView | undefined
  /** Address of the sign-in page, if another token may help. */
  signIn: string | null
  /** Whether the query of the address may be the cause. */
  queryMayBeWrong: boolean
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
      {queryMayBeWrong && (
        <p>
          <a class="button" href="?">
            Open the page without filters
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
        Request id <code>{requestId}</code>
      </p>
    </>
  )
}

/** The same problem, shown in place of a part of a page. */
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
        {advice} Request id <code>{requestId}</code>
      </p>
    </section>
  )
}

function Gone({ artifact, successor, mayUndo, mayWrite, now }: GoneView) {
  return (
    <>
      <p>
        It belonged to{' '}
        <a href={runPagePath(artifact.project, artifact.runNumber)}>run {artifact.runNumber}</a> and
        held <Size bytes={artifact.logicalBytes} />. Tree digest:{' '}
        <ShortDigest digest={artifact.treeDigest} />
      </p>
      <div class="buttons">
        {successor !== undefined && (
          <a class="button first" href={artifactPath(successor)}>
            {/* A single flex item: whitespace between the items of a button is lost. */}
            <span>
              Newest version: run {successor.runNumber}, <Time at={successor.createdAt} now={now} />
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
            View audit log
          </a>
        )}
      </div>
    </>
  )
}

/** The message of an error as a sentence. Messages are also for programs: they have instants in
 *  their form, and may begin with a name, which stays as it is. */
export function sentenceOf(message: string): string {
  const text = message
    .replaceAll(/\b(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)\.\d{3}Z/g, '$1 $2 UTC')
    .replace(/^[a-z](?=[a-z]*\s)/, (first) => first.toUpperCase())
  return /[.!?]$/.test(text) ? text : `${text}.`
}

/** Describes a failure to people. `status` is the status that the API has for it. */
export function describeProblem(failure: StoreError | undefined, status: number): Problem {
  const detail = sentenceOf(failure?.message ?? 'the server hit an unexpected error')
  const problem = (title: string, advice: string, mayRetry = false): Problem => {
    return { title, detail, advice, mayRetry }
  }
  switch (status) {
    case 403:
      if (failure?.code === 'signed_url_invalid')
        return problem('This link is not valid', 'Ask for a new one.')
      return problem('Not allowed', 'Sign in with a token whose scope allows this.')
    case 404:
      return problem(
        'Not found',
        'It does not exist, or it belongs to a project that your token cannot read.',
      )
    case 405:
      return problem('Nothing to see here', 'Go back to the page that you came from.')
    case 409:
      return problem('Name already taken', 'Another artifact has this name now.')
    case 410:
      return problem(
        failure?.code === 'artifact_expired'
          ? 'This artifact has expired'
          : 'This artifact was deleted',
        'Its files are no longer available.',
      )
    case 400:
    case 422:
      return problem('Invalid request', 'Check the address, or go back and check what you entered.')
    case 413:
      return problem('Too much at once', 'Go back, and try again with less.')
    case 503:
      return problem('Busy', 'Try again in a moment.', true)
    default:
      return failure?.code === 'blob_damaged'
        ? problem(
            'This file is damaged',
            'The stored bytes do not match their checksum. The next upload of the same content heals them. Other files are not affected.',
          )
        : problem(
            'Something went wrong',
            'Try again. If the problem persists, report the request id below to your administrator.',
            true,
          )
  }
}
