/** Hashes a dropped or chosen file and opens the page with its holders; the file itself is not
 *  sent. */
import { takeDrops } from './chosen-files.ts'
import { openWorkers } from './hashing.ts'

const drop = document.querySelector<HTMLElement>('[data-find]')
const input = drop?.querySelector<HTMLInputElement>('input[type=file]')
if (drop && input) {
  input.addEventListener('change', () => {
    const [file] = input.files ?? []
    if (file) void find(drop, file)
  })
  takeDrops(drop, ({ files: [file] }) => {
    if (file) void find(drop, file)
  })
}

async function find(place: HTMLElement, file: File): Promise<void> {
  const progress = place.querySelector('[data-progress]')
  const report = (text: string): void => {
    if (progress) progress.textContent = text
  }
  const workers = openWorkers(place.dataset['worker'] ?? '')
  let done = 0
  try {
    const digest = await workers.hash(file, (bytes) => {
      done += bytes
      report(`Hashing ${file.name}: ${Math.floor((done / Math.max(1, file.size)) * 100)} %`)
    })
    location.assign(`/find?digest=sha256:${digest}`)
  } catch (error) {
    report(`Cannot read ${file.name}: ${error instanceof Error ? error.message : String(error)}`)
  } finally {
    workers.close()
  }
}
