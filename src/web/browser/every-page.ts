/** What every page is better with: copying, dialogs, keys, rows, going to a file. Each part looks for its own elements and
 *  does nothing where there are none. */
import { enhanceBulk } from './bulk.ts'
import { enhanceCopying } from './copying.ts'
import { enhanceDialogs } from './dialogs.ts'
import { enhanceGoToFile } from './go-to-file.ts'
import { enhanceKeys } from './keys.ts'
import { enhanceLive } from './live.ts'
import { enhanceLines } from './lines.ts'
import { enhanceWaiting } from './waiting.ts'

document.documentElement.classList.add('js')
enhanceCopying()
enhanceDialogs()
enhanceKeys()
enhanceBulk()
enhanceGoToFile()
enhanceLines()
enhanceLive()
enhanceWaiting()
