/** `/{o}/{r}/settings`: what uploads of a project may do, as sentences, and a form that changes it. */
import { formatSizeBytes } from '../../core/units.ts'
import type { Config } from '../../config.ts'
import type { Project } from '../../metadata/metadata.ts'
import { Size } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { retentionPath, settingsPath } from '../paths.ts'
import { ProjectMenu } from '../parts/project-menu.tsx'
import {
  ChoiceField,
  NoChange,
  SettingField,
  type SettingsForm,
  settingSource,
} from './settings-form.tsx'

export interface SettingsView {
  project: Project
  server: Pick<Config, 'onConflict' | 'strict' | 'projectQuotaBytes'>
  /** Of its live artifacts. */
  usedBytes: number
  form: SettingsForm
  mayWrite: boolean
  mayChange: boolean
}

export function SettingsPage(view: SettingsView): Html {
  const { project, server } = view
  const isStrict = project.strict ?? server.strict
  const replaces = (project.onConflict ?? server.onConflict) === 'replace'
  return (
    <>
      <h1>Settings of {project.name}</h1>
      <ProjectMenu project={project.name} current="settings" mayWrite={view.mayWrite} />
      <ol>
        <li>
          When the name of an artifact is taken in its run, an upload of GitHub’s action{' '}
          {replaces ? 'takes the place of the one that has it' : 'is refused'},{' '}
          {settingSource(project.onConflict, 'TROVE_ON_CONFLICT')}. Other uploads are refused unless
          they ask to overwrite.
        </li>
        <li>
          A job may replace and delete{' '}
          {isStrict ? 'only artifacts that it made itself' : 'all artifacts of its own run'},{' '}
          {settingSource(project.strict, 'TROVE_STRICT')}.
        </li>
        <li>
          <Quota {...view} />
        </li>
        <li>
          How long artifacts are kept is a matter of{' '}
          <a href={retentionPath(project.name)}>retention</a>.
        </li>
      </ol>
      {view.mayChange ? <ChangeForm {...view} /> : <NoChange />}
    </>
  )
}

function Quota({ project, server, usedBytes }: SettingsView) {
  const quota = project.quotaBytes ?? server.projectQuotaBytes
  const source = settingSource(project.quotaBytes, 'TROVE_PROJECT_QUOTA')
  return (
    <>
      {quota === null ? (
        <>Live artifacts may hold as much as there is room for, {source}</>
      ) : (
        <>
          Live artifacts may hold <Size bytes={quota} /> together, each counted in full, {source};
          what would go beyond is refused
        </>
      )}
      . They hold <Size bytes={usedBytes} />.
    </>
  )
}

function ChangeForm({ project, server, form }: SettingsView) {
  const quota = server.projectQuotaBytes
  return (
    <form class="filter" method="post" action={settingsPath(project.name)}>
      <ChoiceField
        form={form}
        name="onConflict"
        label="When a name is taken"
        server={server.onConflict === 'reject' ? 'refuse' : 'replace'}
        choices={[
          ['reject', 'refuse'],
          ['replace', 'replace'],
        ]}
      />
      <ChoiceField
        form={form}
        name="strict"
        label="Jobs to their own artifacts"
        server={server.strict ? 'on' : 'off'}
        choices={[
          ['on', 'on'],
          ['off', 'off'],
        ]}
      />
      <SettingField form={form} name="quotaBytes" label="Quota, such as 500MB or 64GiB">
        {(attributes, value) => (
          <input
            {...attributes}
            value={value}
            placeholder={`server: ${quota === null ? 'none' : formatSizeBytes(quota)}`}
          />
        )}
      </SettingField>
      <button>Change</button>
    </form>
  )
}
