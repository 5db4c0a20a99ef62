/** `/{o}/{r}/compare/{a}...{b}?file=`: how one file differs between two artifacts: line by line,
 *  or as two images, side by side or one over the other. */
import type { Child } from 'hono/jsx'
import { filePath } from '../../api/paths.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import { Delta, Size } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { blobPath, comparePath } from '../paths.ts'

/** The result of comparing one changed file. */
export type FileComparison =
  | {
      kind: 'text'
      /** Table rows rendered by `file-diff.tsx`. */
      groups: Child
      /** Address of the complete diff, if rows are missing or lines are cut; else null. */
      all: string | null
    }
  | { kind: 'images' }
  /** Too large, too different or not text; `reason` says which. */
  | { kind: 'none'; reason: string }

export function CompareFilePage({
  base,
  head,
  path,
  sizes,
  compared,
}: {
  base: Artifact
  head: Artifact
  path: string
  sizes: { before: number; after: number }
  compared: FileComparison
}): Html {
  return (
    <>
      <h1>{path}</h1>
      <p class="lead">
        <Size bytes={sizes.before} /> in <a href={blobPath(base, path)}>run {base.runNumber}</a>,{' '}
        <Size bytes={sizes.after} /> in <a href={blobPath(head, path)}>run {head.runNumber}</a>:{' '}
        <Delta bytes={sizes.after - sizes.before} />.{' '}
        <a href={comparePath(head.project, base.id, head.id)}>All differences</a>
      </p>
      {compared.kind === 'text' && <TextDiff groups={compared.groups} />}
      {compared.kind === 'text' && compared.all !== null && (
        <p class="note">
          Some differences are not shown. <a href={compared.all}>Show all</a>
        </p>
      )}
      {compared.kind === 'images' && <Images base={base} head={head} path={path} />}
      {compared.kind === 'none' && <p class="note">{compared.reason}</p>}
    </>
  )
}

const views = [
  ['', 'Side by side'],
  ['swipe', 'Swipe'],
  ['fade', 'Fade'],
] as const

/** Side by side. With scripts (browser/compare-page.ts) also one over the other. */
function Images({ base, head, path }: { base: Artifact; head: Artifact; path: string }): Html {
  return (
    <div data-images="">
      <fieldset class="views needs-script">
        <legend class="unseen">How to compare the images</legend>
        {views.map(([value, label]) => (
          <label class="check">
            <input type="radio" name="view" value={value} checked={value === ''} /> {label}
          </label>
        ))}
        <label class="check share">
          Run {base.runNumber}
          <input
            type="range"
            min="0"
            max="100"
            value="50"
            aria-label={`Share of run ${head.runNumber}`}
          />
          Run {head.runNumber}
        </label>
      </fieldset>
      <div class="side-by-side">
        {[base, head].map((artifact) => (
          <figure class="picture">
            <img src={filePath(artifact.id, path)} alt={`${path} in run ${artifact.runNumber}`} />
            <figcaption>Run {artifact.runNumber}</figcaption>
          </figure>
        ))}
      </div>
    </div>
  )
}

function TextDiff({ groups }: { groups: Child }) {
  return (
    <div class="scroll code-frame" tabindex={0} role="region" aria-label="Changed lines">
      <table class="diff">
        <caption class="unseen">Changed lines</caption>
        <thead class="unseen">
          <tr>
            <th scope="col">Before</th>
            <th scope="col">After</th>
            <th scope="col">Line</th>
          </tr>
        </thead>
        {groups}
      </table>
    </div>
  )
}
