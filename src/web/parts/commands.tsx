/** Commands to paste into a shell, and the hint on an empty page: the command that fills it. */
import type { Html } from './html.ts'

export function Commands({ text }: { text: string }): Html {
  return (
    <div class="commands">
      <pre tabindex={0}>{text}</pre>
      <button type="button" class="needs-script" data-copy={text}>
        Copy
      </button>
    </div>
  )
}

/** `reason` says what is missing; `run` is a number or its placeholder. */
export function UploadHint({
  reason,
  project,
  run,
}: {
  reason: string
  project: string
  run: number | 'RUN'
}): Html {
  return (
    <>
      <p>{reason} To upload an artifact from a job, run</p>
      <Commands text={uploadCommand(project, run)} />
    </>
  )
}

export function uploadCommand(project: string, run: number | 'RUN'): string {
  return `trove upload NAME PATH --project ${project} --run ${run}`
}
