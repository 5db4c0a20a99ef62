/** Commands to be pasted into a shell, and what to say of an empty page: the command that fills it. */
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

/** `reason` says what is missing; `run` is a number or what to put there. */
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
      <p>{reason} A job uploads an artifact with</p>
      <Commands text={uploadCommand(project, run)} />
    </>
  )
}

export function uploadCommand(project: string, run: number | 'RUN'): string {
  return `trove upload NAME PATH --project ${project} --run ${run}`
}
