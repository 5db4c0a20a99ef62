/** `/admin/audit` and `/{o}/{r}/settings/audit`: who deleted something, or changed what others
 *  rely on. */
import type { WireAct } from '../../api/audit.ts'
import { actorWords, originOf, shortTokenId, wordsOf } from '../../api/audit-words.ts'
import { artifactPagePath, projectPagePath } from '../../api/paths.ts'
import { actKinds } from '../../core/audit.ts'
import { anyOf, Choice, NoneMatch, NumberField, type Option } from '../parts/form.tsx'
import { shortened, TimeCell } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { ProjectMenu } from '../parts/project-menu.tsx'
import { NextPage, Table } from '../parts/table.tsx'
import { auditPagePath } from '../paths.ts'

export interface AuditView {
  /** Null: all projects. */
  project: string | null
  /** The filter as given; '' for any. */
  query: { kind: string; days: string; artifact: string; token: string }
  acts: WireAct[]
  /** Cursor of the next page; null on the last page. */
  next: number | null
  historyDays: number
  now: number
}

export function AuditPage(view: AuditView): Html {
  const { project, query, acts, next, historyDays } = view
  return (
    <>
      <h1>{project === null ? 'Audit log' : `Audit log of ${project}`}</h1>
      {project !== null && <ProjectMenu project={project} current="Audit" mayWrite />}
      <Filter {...view} />
      {acts.length === 0 ? <NoActs {...view} /> : <Acts {...view} />}
      <NextPage
        href={next === null ? null : auditPagePath(project, { ...query, before: String(next) })}
        label="Older"
      />
      <p class="quiet">
        Entries are kept for {historyDays} days (TROVE_HISTORY_DAYS). Artifacts that expire are not
        listed, since nobody acted; nor are job tokens that live for at most a day. Of very many
        sign-ins in an hour, only the first are listed.
      </p>
    </>
  )
}

function NoActs({ project, query }: AuditView) {
  if (Object.values(query).every((value) => value === '')) return <p>There are no entries.</p>
  return <NoneMatch what="entries" all={auditPagePath(project)} />
}

const periods: Option[] = [
  ['', 'any time'],
  ['1', 'the last day'],
  ['7', 'the last 7 days'],
  ['30', 'the last 30 days'],
]

function Filter({ project, query }: AuditView) {
  return (
    <form class="filter" method="get" action={auditPagePath(project)}>
      <Choice label="Action" name="kind" options={anyOf(actKinds)} chosen={query.kind} />
      <Choice label="Period" name="days" options={periods} chosen={query.days} />
      <NumberField
        label="Artifact id"
        name="artifact"
        value={query.artifact}
        title="The numeric id of an artifact"
      />
      <label>
        Token
        <input
          name="token"
          value={query.token}
          pattern="\s*[0-9a-f]{8,32}\s*"
          title="The id of a token, or its first digits"
          size={14}
          spellcheck={false}
          autocomplete="off"
        />
      </label>
      <button>Filter</button>
    </form>
  )
}

function Acts({ project, acts, now }: AuditView) {
  const columns = ['When', ...(project === null ? ['Project'] : []), 'Who', 'What', 'Through']
  return (
    <Table name="Audit log entries" columns={columns}>
      {acts.map((act) => (
        <tr>
          <TimeCell at={Date.parse(act.at)} now={now} />
          {project === null && (
            <td>
              {act.project !== null && <a href={projectPagePath(act.project)}>{act.project}</a>}
            </td>
          )}
          <td>
            <Who act={act} project={project} />
          </td>
          <td>
            <What act={act} />
          </td>
          <td>{originOf(act)}</td>
        </tr>
      ))}
    </Table>
  )
}

/** The token leads to all that it did. */
function Who({ act, project }: { act: WireAct } & Pick<AuditView, 'project'>) {
  const tokenIds = act.by?.tokenIds ?? []
  const [id] = tokenIds
  return (
    <>
      <bdi>{shortened(actorWords(act))}</bdi>{' '}
      {id !== undefined && (
        <a href={auditPagePath(project, { token: id })} title={tokenIds.join(', ')}>
          token {shortTokenId(id)}
        </a>
      )}
    </>
  )
}

/** Links to the artifact if the act concerned a single one that is still known. */
function What({ act }: { act: WireAct }) {
  const { did, what: whole, how = '' } = wordsOf(act)
  const what = shortened(whole)
  const [artifact] = act.artifacts
  if (act.project === null || artifact === undefined || act.artifactIds.length > 1)
    return <bdi>{`${did} ${what}${how}`}</bdi>
  return (
    <bdi>
      {did} <a href={artifactPagePath(act.project, artifact.run, artifact.id)}>{what}</a>
      {how}
    </bdi>
  )
}
