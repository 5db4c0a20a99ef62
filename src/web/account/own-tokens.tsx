/** The tokens and sessions of whoever is signed in, each with a button that revokes it. */
import { shortTokenId } from '../../api/audit-words.ts'
import type { WireMintedToken } from '../../api/token-messages.ts'
import { shortened, TimeCell } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { NextPage, Table } from '../parts/table.tsx'
import { accountPath, withQuery } from '../paths.ts'

export interface OwnTokensView {
  items: WireMintedToken[]
  /** Cursor of the next page; null on the last page. */
  next: number | null
  /** The session that asks. */
  ownId: string | undefined
  now: number
}

export function OwnTokens({ items, next, ownId, now }: OwnTokensView): Html {
  return (
    <>
      <h2>Your tokens and sessions</h2>
      <Table name="Your tokens and sessions" columns={['Token', 'May', 'Made', 'Expires', 'State']}>
        {items.map((token) => (
          <tr>
            <td>
              <span class="digest" title={token.id}>
                {shortTokenId(token.id)}
              </span>
              {token.session && (
                <span class="badge">{token.id === ownId ? 'this browser' : 'browser'}</span>
              )}
            </td>
            <td>
              {token.scope}
              {token.project !== null && <> {shortened(token.project)}</>}
            </td>
            <TimeCell at={Date.parse(token.mintedAt)} now={now} />
            <TimeCell at={Date.parse(token.expiresAt)} now={now} />
            <td>{mayEnd(token) ? <Revoke id={token.id} /> : token.state}</td>
          </tr>
        ))}
      </Table>
      <NextPage
        href={next === null ? null : withQuery(accountPath, { before: String(next) })}
        label="Older"
      />
    </>
  )
}

function mayEnd({ state }: WireMintedToken): boolean {
  return state !== 'revoked' && state !== 'expired'
}

function Revoke({ id }: { id: string }) {
  return (
    <form method="post" action={accountPath}>
      <button name="revoke" value={id} aria-label={`Revoke ${shortTokenId(id)}`}>
        Revoke
      </button>
    </form>
  )
}
