/** What all pages share: head, bread crumbs, landmarks. Text is escaped by hono/jsx; nothing here is raw. */
import { html } from 'hono/html'
import type { Child } from 'hono/jsx'
import type { Html } from './html.ts'

export interface Crumb {
  label: string
  href: string
}

/** A whole document. */
export function renderPage(page: PageContent): Html {
  return html`<!doctype html>${<Layout {...page} />}`
}

export interface PageContent {
  title: string
  crumbs: Crumb[]
  isSignedIn: boolean
  body: Child
}

function Layout({ title, crumbs, isSignedIn, body }: PageContent) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>{`${title} · Trove`}</title>
        <link rel="stylesheet" href="/style.css" />
        <link rel="icon" href="data:," />
      </head>
      <body>
        <a class="skip" href="#main">
          Skip to content
        </a>
        <header>
          <a class="brand" href="/">
            Trove
          </a>
          <nav aria-label="Breadcrumb">
            <ol>
              {crumbs.map(({ label, href }) => (
                <li>
                  <a href={href}>{label}</a>
                </li>
              ))}
            </ol>
          </nav>
          {isSignedIn && (
            <form method="post" action="/sign-out">
              <button>Sign out</button>
            </form>
          )}
        </header>
        <main id="main">{body}</main>
        <footer>
          <a href="/openapi.json">API</a>
        </footer>
      </body>
    </html>
  )
}
