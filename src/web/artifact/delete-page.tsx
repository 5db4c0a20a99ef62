/** Asked before anything goes: what it is, what it frees, what stays. A page of its own, which scripts show as a dialog. */
import type { Artifact } from '../../metadata/metadata.ts'
import type { Deletion } from '../../lifecycle/deletion.ts'
import { storeError } from '../../core/errors.ts'
import { formatSizeBytes, counted } from '../../core/units.ts'
import { type Field, HiddenFields } from '../parts/form.tsx'
import type { Html } from '../parts/html.ts'
import { actionPath, artifactPath } from '../paths.ts'
import { freedSentence } from '../../core/explanation.ts'

export interface DeletionView {
  artifacts: Artifact[]
  /** Where the form goes; the ids are sent along when there are several. */
  action: string
  back: string
  deletion: Deletion
  /** Whole minutes in which it can be taken back; 0: not at all. */
  undoMinutes: number
  /** Hidden fields of the form. */
  fields: Field[]
}

export function deletionOf(artifact: Artifact, deletion: Deletion, undoMs: number): DeletionView {
  return {
    artifacts: [artifact],
    action: actionPath(artifact, 'delete'),
    back: artifactPath(artifact),
    deletion,
    undoMinutes: Math.floor(undoMs / 60_000),
    fields: [],
  }
}

const freelyDeletedMax = 100

/** Why a word has to be typed before these go; undefined where it need not. */
function askedFor(artifacts: Artifact[]): string | undefined {
  if (artifacts.length > freelyDeletedMax) return 'That is a lot.'
  return artifacts.some(({ pinned }) => pinned) ? 'Somebody keeps this.' : undefined
}

/** Errors: invalid_request when the word is asked for and missing. */
export function requireWord(artifacts: Artifact[], form: URLSearchParams): void {
  const reason = askedFor(artifacts)
  if (reason === undefined || form.get('word') === 'delete') return
  throw storeError('invalid_request', `${reason} Type "delete" to go on`, { field: 'word' })
}

export function DeletePage(view: DeletionView): Html {
  const { artifacts, deletion, undoMinutes } = view
  const [first, ...others] = artifacts
  const isOne = first !== undefined && others.length === 0
  const what = isOne ? first.name : counted(artifacts.length, 'artifact')
  const sum = (of: 'fileCount' | 'logicalBytes'): number =>
    artifacts.reduce((total, artifact) => total + artifact[of], 0)
  const logicalBytes = sum('logicalBytes')
  const reason = askedFor(artifacts)
  return (
    <section id="confirm" class="confirm" aria-labelledby="confirm-title">
      <h1 id="confirm-title">
        Delete <bdi>{what}</bdi>?
      </h1>
      <p>
        {counted(sum('fileCount'), 'file')}, {formatSizeBytes(logicalBytes)}.{' '}
        {freedSentence(logicalBytes, deletion)}
      </p>
      <p>
        {undoMinutes === 0
          ? 'This cannot be taken back.'
          : `It can be taken back for ${counted(undoMinutes, 'minute')}.`}
      </p>
      <form method="post" action={view.action}>
        <HiddenFields fields={view.fields} />
        {reason !== undefined && (
          <p>
            <label>
              {reason} Type <b>delete</b> to go on:{' '}
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
