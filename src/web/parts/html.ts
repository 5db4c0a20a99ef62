/** What a component returns. */
import type { HtmlEscapedString } from 'hono/utils/html'

/** Escaped markup. A promise only if something inside is asynchronous, which no component of
 *  ours is. */
export type Html = HtmlEscapedString | Promise<HtmlEscapedString>
