/** What a component answers. */
import type { HtmlEscapedString } from 'hono/utils/html'

/** Escaped text; a promise only when something inside is asynchronous, which nothing here is. */
export type Html = HtmlEscapedString | Promise<HtmlEscapedString>
