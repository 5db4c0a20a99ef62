/** The page to which visitors without a session are redirected. */
import type { Html } from '../parts/html.ts'

export function SignInPage({ next, problem }: { next: string; problem: string | null }): Html {
  return (
    <div class="sign-in">
      <h1>Sign in</h1>
      {problem !== null && (
        <p class="note" role="alert">
          {problem}
        </p>
      )}
      <p>
        Open the sign-in link that the server printed when it started, or paste a token made with{' '}
        <code>trove token</code>.
      </p>
      <form method="post" action="/sign-in">
        <input type="hidden" name="next" value={next} />
        <label>
          Token
          <input name="token" type="password" autocomplete="off" required autofocus />
        </label>
        <button class="first">Sign in</button>
      </form>
    </div>
  )
}
