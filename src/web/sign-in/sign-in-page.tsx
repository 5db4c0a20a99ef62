/** The page to which visitors without a session are redirected. */
import type { Html } from '../parts/html.ts'
import { withQuery } from '../paths.ts'

export function SignInPage({
  next,
  problem,
  provider,
}: {
  next: string
  problem: string | null
  /** Host of the provider of single sign-on, if there is one. */
  provider: string | undefined
}): Html {
  return (
    <div class="sign-in">
      <h1>Sign in</h1>
      {problem !== null && (
        <p class="note" role="alert">
          {problem}
        </p>
      )}
      {provider !== undefined && (
        <p class="buttons">
          <a class="button first" href={withQuery('/sign-in/sso', { next })}>
            Continue with {provider}
          </a>
          <a class="button" href={withQuery('/sign-in/sso', { next, account: 'another' })}>
            Use another account
          </a>
        </p>
      )}
      <p>
        {provider === undefined ? 'Open' : 'Or open'} the sign-in link that the server printed when
        it started, or paste a token made with <code>trove token</code>.
      </p>
      <form method="post" action="/sign-in">
        <input type="hidden" name="next" value={next} />
        <label>
          Token
          <input
            name="token"
            type="password"
            autocomplete="off"
            required
            autofocus={provider === undefined}
          />
        </label>
        <button class={provider === undefined ? 'first' : undefined}>Sign in</button>
      </form>
    </div>
  )
}
