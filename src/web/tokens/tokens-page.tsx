/** `/admin/tokens` and `/{o}/{r}/settings/tokens`: lists the tokens and revokes them. */
import type { WireMintedToken } from '../../api/token-messages.ts'
import { shortTokenId } from '../../api/audit-words.ts'
import { projectPagePath } from '../../api/paths.ts'
import { formatActor } from '../../core/audit.ts'
import { formatAccess } from '../../core/access/project-access.ts'
import { limits } from '../../core/limits.ts'
import { shortened, TimeCell } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { ProjectMenu } from '../parts/project-menu.tsx'
import { NextPage, Table } from '../parts/table.tsx'
import { auditPagePath, tokensPagePath } from '../paths.ts'

export interface TokensView {
  /** Null: all projects. */
  project: string | null
  /** What to ask for confirmation to revoke: a listed token, or all tokens of the project. */
  revoking: WireMintedToken | 'all' | undefined
  tokens: WireMintedToken[]
  /** Cursor of the next page; null on the last page. */
  next: number | null
  now: number
}

export function TokensPage(view: TokensView): Html {
  const { project, revoking, tokens, next } = view
  return (
    <>
      <h1>{project === null ? 'Tokens' : `Tokens of ${project}`}</h1>
      {project !== null && <ProjectMenu project={project} current="Tokens" mayWrite />}
      {revoking !== undefined && <Confirmation project={project} revoking={revoking} />}
      {tokens.length === 0 ? <p>There are no tokens to list.</p> : <Tokens {...view} />}
      <NextPage
        href={next === null ? null : tokensPagePath(project, { before: String(next) })}
        label="Older"
      />
      <p class="quiet">
        This list shows tokens that this server has minted, until soon after they expire, and the
        newest {limits.sessionsListedMax} browser sessions of each token or person. It does not show
        job tokens that live for at most a day, nor tokens that <code>trove token --data</code>{' '}
        minted, which the server does not know about. To revoke such a token, run{' '}
        <code>trove revoke &lt; FILE</code>
        {project !== null && ', or revoke all tokens at once'}. A token’s id leads to what it did.
      </p>
      {project !== null && revoking === undefined && (
        <p>
          <a class="button" href={tokensPagePath(project, { revoke: 'all' })}>
            Revoke all tokens
          </a>
        </p>
      )}
    </>
  )
}

function Confirmation({
  project,
  revoking,
}: {
  project: string | null
  revoking: WireMintedToken | 'all'
}) {
  const isAll = revoking === 'all'
  return (
    <section class="note" aria-labelledby="confirm">
      <h2 id="confirm">
        {isAll ? 'Revoke all tokens?' : `Revoke token ${shortTokenId(revoking.id)}?`}
      </h2>
      <p>
        {isAll
          ? `All tokens made for ${project} until now become invalid immediately, listed or not, including those of running jobs. Jobs and people will need new tokens. This cannot be undone.`
          : 'The token becomes invalid immediately, together with the tokens that were made with it and the browser sessions that it started. This cannot be undone.'}
      </p>
      <form method="post" action={tokensPagePath(project)} class="buttons">
        <button name="revoke" value={isAll ? 'all' : revoking.id} class="danger">
          Revoke
        </button>
        <a class="button" href={tokensPagePath(project)}>
          Cancel
        </a>
      </form>
    </section>
  )
}

function Tokens({ project, tokens, now }: TokensView) {
  const columns = [
    'Token',
    ...(project === null ? ['Project'] : []),
    'Scope',
    'Created',
    'By',
    'Expires',
    'State',
  ]
  return (
    <Table name="Tokens" columns={columns}>
      {tokens.map((token) => (
        <tr>
          <td>
            <a
              class="digest"
              href={auditPagePath(project, { token: token.id })}
              title={token.id}
              aria-label={`What token ${shortTokenId(token.id)} did`}
            >
              {shortTokenId(token.id)}
            </a>
            {token.session && <span class="badge">browser</span>}
          </td>
          {project === null && (
            <td>
              {token.project === null ? (
                shortened(formatAccess(token.access))
              ) : (
                <a href={projectPagePath(token.project)}>{token.project}</a>
              )}
            </td>
          )}
          <td>
            <bdi>{shortened(grantOf(token))}</bdi>
          </td>
          <TimeCell at={Date.parse(token.mintedAt)} now={now} />
          <td>
            <bdi>{shortened(formatActor(token.mintedBy))}</bdi>
          </td>
          <TimeCell at={Date.parse(token.expiresAt)} now={now} />
          <td>
            {token.state === 'valid' || token.state === 'asleep' ? (
              <>
                {token.state === 'asleep' && 'asleep '}
                <a href={tokensPagePath(project, { revoke: token.id })}>Revoke</a>
              </>
            ) : (
              token.state
            )}
          </td>
        </tr>
      ))}
    </Table>
  )
}

function grantOf({ scope, run, job }: WireMintedToken): string {
  const place = [run !== null && `run ${run}`, job !== null && `job ${job}`].filter(Boolean)
  return [scope, ...place].join(', ')
}
