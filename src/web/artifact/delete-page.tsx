/** The confirmation before a deletion: what is deleted, what that frees, what stays. A page of
 *  its own, which scripts show as a dialog. */
import type { Artifact } from '../../metadata/metadata.ts'
import type { Deletion } from '../../lifecycle/collect/deletion.ts'
import { invalidRequest } from '../../core/errors.ts'
import { formatSizeBytes, counted } from '../../core/units.ts'
import { type Field, HiddenFields } from '../parts/form.tsx'
import type { Html } from '../parts/html.ts'
import { actionPath } from '../paths.ts'
import { freedPredicate } from '../../core/policy/explanation.ts'

export interface DeletionView {
  artifacts: Artifact[]
  /** Where the form is sent. */
  action: string
  back: string
  deletion: Deletion
  /** How long the deletion can be undone. */
  undoMs: number
  /** Hidden fields of the form: the ids if there are several. */
  fields?: Field[]
}

const freelyDeletedMax = 100

/** Why a word must be typed to delete these artifacts; undefined where it need not. */
function whyWord(artifacts: Artifact[]): string | undefined {
  if (artifacts.length > freelyDeletedMax)
    return `More than ${freelyDeletedMax} artifacts are selected.`
  if (!artifacts.some(({ pinned }) => pinned)) return undefined
  return artifacts.length === 1 ? 'This artifact is marked Keep.' : 'Some are marked Keep.'
}

/** Errors: invalid_request if the word is required and missing. */
export function requireWord(artifacts: Artifact[], form: URLSearchParams): void {
  const reason = whyWord(artifacts)
  if (reason === undefined || form.get('word') === 'delete') return
  throw invalidRequest('word', `${reason} Type "delete" to confirm`)
}

export function DeletePage(view: DeletionView): Html {
  const { artifacts, deletion, fields = [] } = view
  const undoMinutes = Math.floor(view.undoMs / 60_000)
  const [first, ...others] = artifacts
  const isOne = first !== undefined && others.length === 0
  const what = isOne ? first.name : counted(artifacts.length, 'artifact')
  const sum = (of: 'fileCount' | 'logicalBytes'): number =>
    artifacts.reduce((total, artifact) => total + artifact[of], 0)
  const logicalBytes = sum('logicalBytes')
  const reason = whyWord(artifacts)
  return (
    <section id="confirm" aria-labelledby="confirm-title">
      <h1 id="confirm-title">
        Delete <bdi>{what}</bdi>?
      </h1>
      <p>
        {counted(sum('fileCount'), 'file')}, {formatSizeBytes(logicalBytes)}. Deletion{' '}
        {freedPredicate(logicalBytes, deletion)}
      </p>
      <p>
        {undoMinutes === 0
          ? 'This cannot be undone.'
          : `This can be undone for ${counted(undoMinutes, 'minute')}; the space is freed after that.`}
      </p>
      <form method="post" action={view.action}>
        <HiddenFields fields={fields} />
        {reason !== undefined && (
          <p>
            <label>
              {reason} Type <b>delete</b> to confirm:{' '}
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

/** Notice on the page that follows a deletion. */
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
