/** Asked before anything goes: what it is, what it frees, what stays. A page of its own, which scripts show as a dialog. */
import type { Artifact } from '../metadata/metadata.ts'
import { formatSizeBytes } from '../core/units.ts'
import { counted } from './format.tsx'
import type { Html } from './html.ts'
import { actionPath, artifactPath } from './paths.ts'
import { freedSentence } from './sentences.ts'

export interface DeletionView {
  artifacts: Artifact[]
  /** Where the form goes; the ids are sent along when there are several. */
  action: string
  back: string
  freedBytes: number
  /** Sum over all that match, listed or not. */
  logicalBytes: number
  packedBytes: number
  total: number
  /** Whole minutes in which it can be taken back; 0: not at all. */
  undoMinutes: number
  /** Hidden fields of the form. */
  fields: [string, string][]
}

export function deletionOf(artifact: Artifact, freedBytes: number, undoMs: number): DeletionView {
  return {
    artifacts: [artifact],
    action: actionPath(artifact, 'delete'),
    back: artifactPath(artifact),
    freedBytes,
    logicalBytes: artifact.logicalBytes,
    packedBytes: artifact.zipBytes,
    total: 1,
    undoMinutes: Math.floor(undoMs / 60_000),
    fields: [],
  }
}

/** More than this at once, or anything that somebody keeps, asks for a word typed. */
const freelyDeletedMax = 100

export function DeletePage(view: DeletionView): Html {
  const { artifacts, total, freedBytes, logicalBytes, packedBytes, undoMinutes } = view
  const [first] = artifacts
  const what = total === 1 && first !== undefined ? first.name : counted(total, 'artifact')
  const files = artifacts.reduce((sum, { fileCount }) => sum + fileCount, 0)
  const asksWord = total > freelyDeletedMax || artifacts.some(({ pinned }) => pinned)
  return (
    <section id="confirm" class="confirm" aria-labelledby="confirm-title">
      <h1 id="confirm-title">
        Delete <bdi>{what}</bdi>?
      </h1>
      <p>
        {total === artifacts.length ? `${counted(files, 'file')}, ` : ''}
        {formatSizeBytes(logicalBytes)}. {freedSentence(freedBytes, { logicalBytes, packedBytes })}
      </p>
      <p>
        {undoMinutes === 0
          ? 'This cannot be taken back.'
          : `It can be taken back for ${counted(undoMinutes, 'minute')}.`}
      </p>
      <form method="post" action={view.action}>
        {view.fields.map(([name, value]) => (
          <input type="hidden" name={name} value={value} />
        ))}
        {asksWord && (
          <p>
            <label>
              {total > freelyDeletedMax ? 'That is a lot. ' : 'Somebody keeps this. '}
              Type <b>delete</b> to go on:{' '}
              <input name="word" required pattern="delete" autocomplete="off" />
            </label>
          </p>
        )}
        <div class="buttons">
          <a class="button" href={view.back} data-cancel autofocus>
            Cancel
          </a>
          <button class="danger">Delete {what}</button>
        </div>
      </form>
    </section>
  )
}

/** Said where one lands after a deletion. */
export function DeletedNotice({ artifact }: { artifact: Artifact }): Html {
  return (
    <div class="toast" role="status">
      <span>
        Deleted <bdi>{artifact.name}</bdi>.
      </span>
      <form method="post" action={actionPath(artifact, 'undo')}>
        <button>Undo</button>
      </form>
    </div>
  )
}
