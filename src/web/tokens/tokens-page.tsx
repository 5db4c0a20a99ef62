/** `/admin/tokens` and `/{o}/{r}/settings/tokens`: which tokens there are, and how one is stopped. */
import type { WireMintedToken } from '../../api/admin-messages.ts'
import { shortTokenId } from '../../api/audit-words.ts'
import { projectPagePath } from '../../api/paths.ts'
import { formatActor } from '../../core/audit.ts'
import { limits } from '../../core/limits.ts'
import { Time, shortened } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { ProjectMenu } from '../parts/project-menu.tsx'
import { Pager, Table } from '../parts/table.tsx'
import { tokensPagePath } from '../paths.ts'

export interface TokensView {
  /** Null: all. */
  project: string | null
  /** What is asked about before it is done: one of those listed, or all of the project. */
  revoking: WireMintedToken | 'all' | undefined
  tokens: WireMintedToken[]
  /** The number of the last token of the page; null where it is the last of all. */
  next: number | null
  now: number
}

export function TokensPage(view: TokensView): Html {
  const { project, revoking, tokens, next } = view
  return (
    <>
      <h1>{project === null ? 'Tokens' : `Tokens of ${project}`}</h1>
      {project !== null && <ProjectMenu project={project} current="tokens" mayWrite />}
      {revoking !== undefined && <Confirmation project={project} revoking={revoking} />}
      {tokens.length === 0 ? <p>None is listed.</p> : <Tokens {...view} />}
      <Pager
        next={{
          href: next === null ? null : tokensPagePath(project, { before: String(next) }),
          label: 'Earlier',
        }}
      />
      <p class="quiet">
        Listed are tokens that this server has minted and that have not ended, and browsers that are
        signed in, of each token the newest {limits.sessionsListedMax}. Not listed are tokens that
        jobs get for less than a day, and those that <code>trove token</code> makes with the key of
        the data directory: the server never hears of these. They can be revoked all the same, by{' '}
        <code>trove revoke &lt; FILE</code>
        {project !== null && ', or all at once'}.
      </p>
      {project !== null && revoking === undefined && (
        <p>
          <a class="button" href={tokensPagePath(project, { revoke: 'all' })}>
            Revoke all until now
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
          ? `All tokens that were made for ${project} until now are void at once, listed or not, those of running jobs too. Jobs and people need new ones.`
          : 'It is void at once, and with it the tokens that it made and the browsers that signed in with it. It cannot be undone.'}
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
    'May',
    'Made',
    'By',
    'Ends',
    'State',
  ]
  return (
    <Table name="Tokens" columns={columns}>
      {tokens.map((token) => (
        <tr>
          <td>
            <span class="digest" title={token.id}>
              {shortTokenId(token.id)}
            </span>
            {token.session && <span class="badge">browser</span>}
          </td>
          {project === null && (
            <td>
              {token.project !== null && (
                <a href={projectPagePath(token.project)}>{token.project}</a>
              )}
            </td>
          )}
          <td>{shortened(grantOf(token))}</td>
          <td>
            <Time at={Date.parse(token.mintedAt)} now={now} />
          </td>
          <td>{shortened(formatActor(token.mintedBy))}</td>
          <td>
            <Time at={Date.parse(token.expiresAt)} now={now} />
          </td>
          <td>
            {token.state === 'valid' ? (
              <a href={tokensPagePath(project, { revoke: token.id })}>Revoke</a>
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
