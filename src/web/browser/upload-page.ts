/** The upload form: takes files, starts the upload, shows its progress, and opens the new
 *  artifact. */
import { counted, formatSizeBytes } from '../../core/units.ts'
import { announce } from './announce.ts'
import { chosenFiles, type ChosenFile, droppedFiles, takeDrops } from './chosen-files.ts'
import { type UploadPhase, uploadTree } from './upload.ts'

const form = document.querySelector<HTMLFormElement>('form[data-upload]')!
const start = find<HTMLButtonElement>('[data-start]')
const stop = find<HTMLButtonElement>('[data-stop]')
const drop = find('[data-drop]')
const chosenText = find('[data-chosen]')
let files: ChosenFile[] = []
let stopping: AbortController | undefined

for (const input of form.querySelectorAll<HTMLInputElement>('input[type=file]')) {
  input.addEventListener('change', () => {
    choose(chosenFiles(input.files ?? []))
  })
}
takeDrops(drop, (dropped) => {
  droppedFiles(dropped).then(choose, (error: unknown) => {
    chosenText.textContent = `Cannot read what was dropped: ${reasonOf(error)}`
  })
})
stop.addEventListener('click', () => {
  stopping?.abort()
})
form.addEventListener('submit', (event) => {
  event.preventDefault()
  if (files.length === 0 || stopping !== undefined) return
  stopping = new AbortController()
  start.disabled = true
  stop.hidden = false
  void run(stopping.signal).finally(() => {
    stopping = undefined
    start.disabled = false
    stop.hidden = true
  })
})

function find<E extends HTMLElement>(selector: string): E {
  return form.querySelector<E>(selector)!
}

function choose(chosen: ChosenFile[]): void {
  files = chosen
  start.disabled = files.length === 0
  const bytes = files.reduce((sum, { file }) => sum + file.size, 0)
  chosenText.textContent = `${counted(files.length, 'file')}, ${formatSizeBytes(bytes)} selected.`
}

const phases: Record<UploadPhase, string> = {
  hashing: 'Hashing…',
  asking: 'Comparing with the server…',
  sending: 'Sending missing files…',
  finishing: 'Finishing…',
}

async function run(signal: AbortSignal): Promise<void> {
  const phase = find('[data-phase]')
  const { project = '', worker = '' } = form.dataset
  find('[data-bars]').hidden = false
  try {
    const page = await uploadTree(
      {
        project,
        worker,
        name: find<HTMLInputElement>('[name=name]').value,
        run: Number(find<HTMLInputElement>('[name=run]').value),
        overwrite: find<HTMLInputElement>('[name=overwrite]').checked,
      },
      files,
      {
        signal,
        onPhase: (name) => {
          phase.textContent = phases[name]
        },
        onHashed: (share) => {
          find<HTMLProgressElement>('[data-hashed]').value = share
        },
        onSent: (share) => {
          find<HTMLProgressElement>('[data-sent]').value = share
        },
      },
    )
    announce('Uploaded')
    location.assign(page)
  } catch (error) {
    phase.textContent = signal.aborted
      ? 'Stopped. What was sent is kept for a day; upload the same files to resume.'
      : `Upload failed: ${reasonOf(error)}`
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
