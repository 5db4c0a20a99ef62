/** Enhancements of all pages: copying, dialogs, keys, rows, going to a file. Each looks for its
 *  own elements, and is a no-op on pages without them. */
import { enhanceBulk } from './bulk.ts'
import { enhanceCopying } from './copying.ts'
import { enhanceDialogs } from './dialogs.ts'
import { enhanceGoToFile } from './go-to-file.ts'
import { enhanceKeys } from './keys.ts'
import { enhanceLive } from './live.ts'
import { enhanceLines } from './lines.ts'

document.documentElement.classList.add('js')
enhanceCopying()
enhanceDialogs()
enhanceKeys()
enhanceBulk()
enhanceGoToFile()
enhanceLines()
enhanceLive()
