/** What all pages share: head, breadcrumbs, landmarks. hono/jsx escapes all text; nothing here
 *  is raw. */
import { accountPath } from './paths.ts'
import type { Child } from 'hono/jsx'
import { isAnonymous, mayAdminister, type Principal } from '../auth/principal.ts'
import type { Html } from './parts/html.ts'

export interface Crumb {
  label: string
  /** '': the page itself. */
  href: string
}

export interface LayoutProps {
  title: string
  crumbs: Crumb[]
  principal: Principal | undefined
  /** Path of the page. */
  path: string
  /** Address of the sign-in page. */
  signIn: string
  nonce: string
  /** Path of the style sheet. */
  style: string
  /** Paths of the modules. */
  scripts: string[]
  children?: Child
}

export function Layout({
  title,
  crumbs,
  principal,
  path,
  signIn,
  nonce,
  style,
  scripts,
  children,
}: LayoutProps): Html {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{`${title} · Trove`}</title>
        <link rel="stylesheet" href={style} />
        <link rel="icon" href={icon} />
        {scripts.map((src) => (
          <script type="module" src={src} nonce={nonce} />
        ))}
      </head>
      <body>
        <a class="skip" href="#main">
          Skip to content
        </a>
        <header>
          <a class="brand" href="/">
            <Mark />
            Trove
          </a>
          <nav aria-label="Breadcrumb" class="crumbs">
            <ol>
              {crumbs.map(({ label, href }) => (
                <li>
                  <a href={href} aria-current={href === '' || href === path ? 'page' : undefined}>
                    {label}
                  </a>
                </li>
              ))}
            </ol>
          </nav>
          {principal !== undefined && <Menu principal={principal} path={path} signIn={signIn} />}
        </header>
        <main id="main" tabindex={-1}>
          {children}
        </main>
        <footer>
          <a href="/openapi.json">API</a>
          {principal !== undefined && (
            <button type="button" class="link needs-script" data-show="keys">
              Keyboard shortcuts
            </button>
          )}
        </footer>
        <div id="announcer" role="status" class="unseen"></div>
        <KeyboardDialog />
      </body>
    </html>
  )
}

/** Links to the pages that this visitor may open. */
function Menu({
  principal,
  path,
  signIn,
}: Pick<LayoutProps, 'path' | 'signIn'> & { principal: Principal }) {
  const places = [
    ['/find', 'Find a file'],
    ...(mayAdminister(principal) ? administration : []),
    isAnonymous(principal) ? [signIn, 'Sign in'] : [accountPath, 'Account'],
  ] as const
  return (
    <nav aria-label="Main" class="menu">
      {places.map(([href, label]) => (
        <a
          href={href}
          aria-current={href === path ? 'page' : undefined}
          data-key={href === '/find' ? '/' : undefined}
        >
          {label}
        </a>
      ))}
      {!isAnonymous(principal) && (
        <form method="post" action="/sign-out">
          <button class="link">Sign out</button>
        </form>
      )}
    </nav>
  )
}

const administration = [
  ['/admin/storage', 'Storage'],
  ['/admin/maintenance', 'Maintenance'],
  ['/admin/tokens', 'Tokens'],
  ['/admin/audit', 'Audit'],
] as const

function Mark() {
  return (
    <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true" focusable="false">
      <path fill="var(--accent)" d="M2 8a8 6 0 0 1 16 0v1H2z" />
      <path fill="currentColor" d="M2 10.5h6v2h4v-2h6V18H2z" />
    </svg>
  )
}

const icon =
  'data:image/svg+xml,' +
  encodeURIComponent(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 20"><path fill="#0b6e6e" d="M2 8a8 6 0 0 1 16 0v1H2z"/>' +
      '<path fill="#667" d="M2 10.5h6v2h4v-2h6V18H2z"/></svg>',
  )

/** WCAG 2.1.4: single-key shortcuts can be turned off; they never act inside fields. */
function KeyboardDialog() {
  const keys = [
    ['/', 'find a file by its digest'],
    ['t', 'go to a file in the artifact'],
    ['j, k', 'next or previous row'],
    ['x', 'select the row'],
    ['Enter', 'open the row'],
    ['d', 'download'],
    ['y', 'go to the permanent address'],
    ['?', 'show this list'],
  ]
  return (
    <dialog id="keys" aria-labelledby="keys-title">
      <h2 id="keys-title">Keyboard shortcuts</h2>
      <table>
        <caption class="unseen">Keys and what they do</caption>
        <thead>
          <tr>
            <th scope="col">Key</th>
            <th scope="col">Action</th>
          </tr>
        </thead>
        <tbody>
          {keys.map(([key, action]) => (
            <tr>
              <th scope="row">
                <kbd>{key}</kbd>
              </th>
              <td>{action}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p>
        <label class="check">
          <input type="checkbox" id="keys-on" checked /> Enable single-key shortcuts
        </label>
      </p>
      <form method="dialog" class="buttons">
        <button>Close</button>
      </form>
    </dialog>
  )
}
