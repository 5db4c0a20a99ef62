/** `/account`: who is signed in, what they may do and until when; people who came through single
 *  sign-on make tokens for commands here. */
import type { Principal } from '../../auth/principal.ts'
import { type PersonalScope, personalDays, personalScopes } from '../../auth/person-grant.ts'
import { counted } from '../../core/units.ts'
import { Commands } from '../parts/commands.tsx'
import { Choice } from '../parts/form.tsx'
import { Fact, Time } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { accountPath } from '../paths.ts'
import { OwnTokens, type OwnTokensView } from './own-tokens.tsx'

export interface AccountView {
  principal: Principal
  /** The token that was just made; shown once. */
  made: { token: string; scope: PersonalScope; expiresAt: number } | undefined
  /** Of this server. */
  origin: string
  /** Null for whoever did not come through single sign-on. */
  tokens: Pick<OwnTokensView, 'items' | 'next'> | null
  /** How long tokens of people work after a sign-in. */
  awakeDays: number
  now: number
}

export function AccountPage(view: AccountView): Html {
  const { principal, made, origin, tokens, awakeDays, now } = view
  const scopes = personalScopes(principal)
  return (
    <>
      <h1>Account</h1>
      <dl class="facts">
        {principal.person !== null && <Fact term="Signed in as">{principal.person.name}</Fact>}
        <Fact term="Access">{accessWords(principal)}</Fact>
        <Fact term="Session ends">
          <Time at={principal.expiresAt} now={now} />
        </Fact>
      </dl>
      <h2>Token for commands</h2>
      {made !== undefined && <Made {...made} origin={origin} now={now} />}
      {scopes.length === 0 ? (
        <p>
          Only people who come through single sign-on make tokens here. For others,{' '}
          <code>trove token --project OWNER/REPO</code> makes one, with a token that may write to
          the project or on the server.
        </p>
      ) : (
        <form method="post" action={accountPath} class="filter">
          <Choice
            label="May"
            name="scope"
            options={scopes.map((scope) => [scope, scopeWords[scope]])}
          />
          <Choice
            label="for"
            name="days"
            options={personalDays.map((days) => [String(days), counted(days, 'day')])}
          />
          <button>Make a token</button>
          <p class="quiet">
            It may do what you may, at any time. It sleeps when you have not signed in for{' '}
            {counted(awakeDays, 'day')}, until you sign in again.
          </p>
        </form>
      )}
      {tokens !== null && <OwnTokens {...tokens} ownId={principal.lineage[0]} now={now} />}
    </>
  )
}

const scopeWords: Record<PersonalScope, string> = {
  read: 'read',
  write: 'read, upload and delete',
}

function Made({
  token,
  scope,
  expiresAt,
  origin,
  now,
}: NonNullable<AccountView['made']> & { origin: string; now: number }) {
  return (
    <section class="note" role="status" aria-label="The new token">
      <p>
        This token may {scopeWords[scope]} and expires <Time at={expiresAt} now={now} />. Copy it
        now: it is not shown again.
      </p>
      <Commands text={token} />
      <p>Then log in, and paste it:</p>
      <Commands text={`npx ${origin}/trove.tgz login ${origin}`} />
    </section>
  )
}

function accessWords({ scope, project, access, run }: Principal): string {
  if (scope === 'admin') return 'everything in every project'
  if (project === null) return access.map((each) => `${each.scope} ${each.projects}`).join(', ')
  return run === null ? `${scope} ${project}` : `${scope} ${project}, run ${run.number}`
}
